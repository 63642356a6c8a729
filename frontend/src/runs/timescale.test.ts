import { expect, test } from 'vitest'

import type { Attempt } from './fold'
import { barsOf, spanOf, ticksOf } from './timescale'

const attempt = (startedAt: number | null, finishedAt: number | null, more: Partial<Attempt> = {}): Attempt => ({
  nodeId: 'a',
  item: '',
  attempt: 1,
  status: 'completed',
  port: null,
  startedAt,
  finishedAt,
  wakeAt: null,
  willRetry: false,
  error: null,
  awaiting: null,
  kept: false,
  ...more,
})

test('bars stand in percent of the run, with the pause before a retry between them', () => {
  const attempts = [attempt(0, 20, { willRetry: true, wakeAt: 40 }), attempt(40, 100)]
  const bars = barsOf(attempts, { from: 0, to: 100 }, 100)
  expect(bars.map((bar) => [bar.kind, bar.left, bar.width])).toEqual([
    ['attempt', 0, 20],
    ['pause', 20, 20],
    ['attempt', 40, 60],
  ])
})

test('a running attempt grows to now, one that never began has no bar', () => {
  expect(barsOf([attempt(50, null)], { from: 0, to: 100 }, 100)[0]?.width).toBe(50)
  expect(barsOf([attempt(null, 80, { status: 'skipped' })], { from: 0, to: 100 }, 100)).toEqual([])
})

test('the span never has length zero', () => {
  expect(spanOf(null, null, [], 7)).toEqual({ from: 7, to: 8 })
  expect(spanOf(5, 9, [attempt(6, 12)], 100)).toEqual({ from: 5, to: 12 })
})

test('marks are round and few', () => {
  expect(ticksOf({ from: 0, to: 4200 })).toEqual([0, 1000, 2000, 3000, 4000])
  expect(ticksOf({ from: 0, to: 10 * 864e5 }).length).toBeLessThanOrEqual(7)
})
