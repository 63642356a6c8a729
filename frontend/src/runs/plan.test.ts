import { expect, test } from 'vitest'

import type { Decision, PlannedStep } from '../api/types'

import { groupsOf, repeatedEffects } from './plan'

const step = (node_id: string, decision: Decision, repeats_effect = false): PlannedStep => ({
  node_id,
  decision,
  reason: '',
  repeats_effect,
})

const plan = {
  version: 3,
  steps: [
    step('a', 'keep', true),
    step('b', 'cannot_keep', true),
    step('c', 'run_again', true),
    step('d', 'run_again'),
  ],
  effects: ['c'],
}

test('what is done comes first, and what is empty is not shown', () => {
  const ids = (value: typeof plan) =>
    groupsOf(value).map(({ decision, steps }) => [decision, steps.map((s) => s.node_id).join()])
  expect(ids(plan)).toEqual([
    ['run_again', 'c,d'],
    ['cannot_keep', 'b'],
    ['keep', 'a'],
  ])
  expect(ids({ ...plan, steps: [step('a', 'keep')] })).toEqual([['keep', 'a']])
})

test('an effect is named once, and that of a step that is kept is not repeated', () =>
  expect(repeatedEffects(plan)).toEqual(['c', 'b']))
