import { expect, test } from 'vitest'

import { formatInZone, formatUntil, hasSeconds, splitLocal } from './time'

test('a time to come is told by how far away it is', () => {
  const at = '2026-11-20T10:00:00Z'
  const before = (ms: number) => formatUntil(at, Date.parse(at) - ms)
  expect(before(41_001)).toBe('in 42 s')
  expect(before(0)).toBe('now')
  expect(before(-5)).toBe('now')
  expect(before(3 * 60_000)).toMatch(/3/)
})

test('a time is told on the clock of its zone, with seconds where there are any', () => {
  expect(formatInZone('2026-03-29T01:00:00Z', 'Europe/Berlin')).toBe('Sun, 29 Mar 2026, 03:00')
  expect(formatInZone('2026-03-29T01:00:10Z', 'UTC')).toBe('Sun, 29 Mar 2026, 01:00:10')
  expect(formatInZone('2026-03-29T01:00:00Z', 'UTC', true)).toBe('Sun, 29 Mar 2026, 01:00:00')
  expect(formatInZone('2026-03-29T01:00:00Z', 'No/Zone')).toBe('Sun, 29 Mar 2026, 01:00 UTC')
  expect([hasSeconds('2026-03-29T01:00:00Z'), hasSeconds('2026-03-29T01:00:59.5Z')]).toEqual([false, true])
})

test('what a clock shows is told as it shows it, whoever looks', () => {
  expect(splitLocal('2026-10-25T02:30:00+02:00')).toEqual({ text: 'Sun, 25 Oct 2026, 02:30', offset: '+02:00' })
  expect(splitLocal('2026-10-25T02:30:05Z')).toEqual({ text: 'Sun, 25 Oct 2026, 02:30:05', offset: 'UTC' })
})
