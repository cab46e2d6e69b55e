import type sharpType from 'sharp';
import { UserError, messageOf } from '#core/errors';
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import type { Profile } from '#core/model/profile';
import { slideSvg } from '#core/write/slide';
import { addOurFonts } from './fonts.ts';

type Sharp = typeof sharpType;

/** Pixels of the largest picture: 20,000 x 5,000 units at 1x, or 1920 x 1080 at 4x three times over. */
const MOST_PIXELS = 100_000_000;

let loading: Promise<Sharp> | null = null;

/** sharp with our fonts; loaded when the first picture is made. */
function loadSharp(): Promise<Sharp> {
  loading ??= (async () => {
    const { default: sharp } = await import('sharp');
    // A picture now and then: remembered operations would only hold memory.
    sharp.cache(false);
    await addOurFonts(sharp);
    return sharp;
  })();
  return loading;
}

/**
 * The picture of a view as a PNG of picture.width x picture.height units at picture.scale device pixels a unit. Throws
 * UserError where there is nothing to draw or the picture is too large.
 */
export async function renderPng(profile: Profile, view: ViewValue, picture: PictureOptions): Promise<Buffer> {
  return pngOf(slideSvg(profile, view, picture), picture);
}

/** An SVG of picture.width x picture.height units as a PNG. */
export async function pngOf(svg: string, picture: Pick<PictureOptions, 'width' | 'height' | 'scale'>): Promise<Buffer> {
  const scale = Math.min(4, Math.max(1, picture.scale));
  const width = Math.round(picture.width * scale);
  const height = Math.round(picture.height * scale);
  if (width * height > MOST_PIXELS) {
    throw new UserError('picture-size', `a picture of ${width} x ${height} pixels is too large; at most ${MOST_PIXELS / 1e6} million pixels can be made`, {
      hint: 'Choose a smaller scale, or SVG.',
    });
  }
  let sharp: Sharp;
  try {
    sharp = await loadSharp();
  } catch (thrown) {
    throw new UserError('picture-sharp', `the picture library could not be loaded: ${messageOf(thrown)}`, { hint: 'Save as SVG instead.', cause: thrown });
  }
  // librsvg draws 72 units an inch, so this density gives `scale` pixels a unit without resampling.
  return sharp(Buffer.from(svg), { density: 72 * scale, limitInputPixels: MOST_PIXELS, unlimited: true })
    .resize(width, height, { fit: 'fill' })
    .png({ compressionLevel: 9, adaptiveFiltering: false })
    .toBuffer();
}
