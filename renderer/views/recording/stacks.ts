// Which stacks of a Python program the CPU lane shows, and which lanes have a button of their own. Pure.
import { showsMerged } from '#core/analyze/call-tree';
import type { Selection, ViewValue } from '#core/analyze/view';
import { PYTHON_LANE } from '#core/analyze/words';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';

export type StackChoice = 'merged' | 'python' | 'native';

export const STACK_CHOICES: readonly { readonly value: StackChoice; readonly text: string }[] = [
  { value: 'merged', text: 'Python + native' }, { value: 'python', text: 'Python' }, { value: 'native', text: 'Native' },
];

/** The lane that has merged stacks of a kind; null where there is none. */
function mergedLane(profile: Profile, kind: Lane['kind']): Lane | null {
  return profile.lanes.find((lane) => lane.kind === kind && lane.pythonMerged > 0) ?? null;
}

/** Lanes to choose from: what py-spy saw belongs to the lane that its stacks were merged into. */
export function lanesShown(profile: Profile): Lane[] {
  return profile.lanes.filter((lane) => lane.name !== PYTHON_LANE || mergedLane(profile, lane.kind) === null);
}

/** The lane whose button is pressed while `lane` is shown. */
export function buttonOf(profile: Profile, lane: Lane): Lane {
  return lane.name === PYTHON_LANE ? mergedLane(profile, lane.kind) ?? lane : lane;
}

/** What is shown of a lane; null where there is nothing to choose. */
export function stackChoice(profile: Profile, lane: Lane, selection: Selection): StackChoice | null {
  const merged = mergedLane(profile, lane.kind);
  if (merged === null) return null;
  if (lane.name === PYTHON_LANE) return 'python';
  return lane.pythonMerged === 0 ? null : showsMerged(lane, selection) ? 'merged' : 'native';
}

/** The choices that a lane's recording offers: Python alone only where py-spy's lane is of its kind. */
export function choicesOf(profile: Profile, lane: Lane): typeof STACK_CHOICES {
  const python = profile.lanes.some((one) => one.name === PYTHON_LANE && one.kind === lane.kind && one.rows > 0);
  return python ? STACK_CHOICES : STACK_CHOICES.filter((choice) => choice.value !== 'python');
}

/** The change of a view that shows another choice of stacks. */
export function withStacks(profile: Profile, lane: Lane, selection: Selection, choice: StackChoice): Pick<ViewValue, 'lane' | 'selection'> {
  const wanted = choice === 'python' ? profile.lanes.find((one) => one.name === PYTHON_LANE && one.kind === lane.kind) ?? lane : buttonOf(profile, lane);
  const { ranges, threads, processes, transforms } = selection;
  return {
    lane: { kind: wanted.kind, name: wanted.name },
    selection: { ranges, threads, processes, transforms, ...(choice === 'native' ? { stacks: 'own' as const } : {}) },
  };
}
