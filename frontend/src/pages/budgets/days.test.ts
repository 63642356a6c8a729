import { expect, test } from 'vitest'

import type { UsageLine } from '../../api/types'

import { dayOf, daysFrom, filled } from './days'

const today = new Date(2026, 2, 2, 15, 30)

test('the last days begin at a midnight, over the end of a month', () => {
  expect(dayOf(today)).toBe('2026-03-02')
  expect(new Date(daysFrom(today, 3))).toEqual(new Date(2026, 1, 28))
})

test('days on which nothing was spent are there', () => {
  const line = { key: '2026-03-01', cost_usd: 2, turns: 3 } as UsageLine
  expect(filled([line], today, 3)).toEqual([
    { day: '2026-02-28', cost: 0, turns: 0 },
    { day: '2026-03-01', cost: 2, turns: 3 },
    { day: '2026-03-02', cost: 0, turns: 0 },
  ])
})
