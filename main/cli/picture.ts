// --picture and its kin: how a picture is made, as one value, as the window has it.
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import type { PictureOptions } from '#core/analyze/view';
import { FIRST_PICTURE } from '#core/analyze/view';
import { messageOf } from '#core/errors';
import type { Arguments } from './arguments.ts';
import { isSet, numberOf, textOf } from './arguments.ts';
import { UsageError } from './io.ts';

const between = (least: number, most: number) => v.pipe(v.number(), v.minValue(least), v.maxValue(most));
const whole = (least: number, most: number) => v.pipe(between(least, most), v.integer());
const Ref = v.object({ name: v.string(), file: v.string(), library: v.string() });
const Picture = v.strictObject({
  width: v.optional(whole(100, 20_000), FIRST_PICTURE.width),
  height: v.optional(whole(100, 20_000), FIRST_PICTURE.height),
  scale: v.optional(between(1, 4), FIRST_PICTURE.scale),
  theme: v.optional(v.picklist(['light', 'dark', 'clear']), FIRST_PICTURE.theme),
  title: v.optional(v.string(), ''),
  subtitle: v.optional(v.string(), ''),
  caption: v.optional(v.boolean(), true),
  legend: v.optional(v.boolean(), true),
  text: v.optional(between(4, 400), FIRST_PICTURE.text),
  depth: v.optional(whole(1, 100_000), FIRST_PICTURE.depth),
  callouts: v.optional(v.array(v.object({ path: v.array(Ref), title: v.string(), note: v.string() })), []),
});

/** The options of a picture: those of `--picture`, changed by those that have options of their own. Throws UsageError. */
export function pictureOf(args: Arguments): PictureOptions {
  const given = givenPicture(textOf(args, 'picture'));
  const theme = textOf(args, 'theme');
  return {
    ...given,
    width: numberOf(args, 'width', { least: 100, most: 20_000, whole: true }) ?? given.width,
    height: numberOf(args, 'height', { least: 100, most: 20_000, whole: true }) ?? given.height,
    scale: numberOf(args, 'scale', { least: 1, most: 4 }) ?? given.scale,
    theme: theme === 'dark' || theme === 'light' || theme === 'clear' ? theme : given.theme,
    title: textOf(args, 'title') ?? given.title,
    subtitle: textOf(args, 'subtitle') ?? given.subtitle,
    caption: isSet(args, 'no-caption') ? false : given.caption,
    legend: isSet(args, 'no-legend') ? false : given.legend,
    text: numberOf(args, 'text', { least: 4, most: 400 }) ?? given.text,
    depth: numberOf(args, 'depth', { least: 1, most: 100_000, whole: true }) ?? given.depth,
  };
}

function givenPicture(text: string | undefined): PictureOptions {
  if (text === undefined) return FIRST_PICTURE;
  let json: unknown;
  try {
    json = JSON.parse(text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text);
  } catch (error) {
    throw new UsageError(`--picture is neither JSON nor @FILE with JSON in it: ${messageOf(error)}`);
  }
  const parsed = v.safeParse(Picture, json);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw new UsageError(`--picture: ${issue.path?.map((step) => String(step.key)).join('.') ?? 'value'}: ${issue.message}`);
}
