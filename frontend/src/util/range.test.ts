import { expect, test } from 'vitest'

import { fromField, rangeOf, toField } from './range'

test('a time goes through the field and comes back the same, to the minute', () => {
  const at = new Date(2026, 2, 5, 7, 8, 59)
  expect(toField(at)).toBe('2026-03-05T07:08')
  expect(fromField(toField(at))).toBe(new Date(2026, 2, 5, 7, 8).toISOString())
  expect(fromField('')).toBeNull()
  expect(fromField('soon')).toBeNull()
})

test('a range has two ends, in order, in the past', () => {
  const now = new Date(2026, 2, 5, 12, 0).getTime()
  const of = (from: string, to: string) => rangeOf(from, to, now)
  expect(of('2026-03-05T07:00', '2026-03-05T12:00')).toEqual({
    from: fromField('2026-03-05T07:00'),
    to: fromField('2026-03-05T12:00'),
  })
  expect(of('', '2026-03-05T12:00')).toMatch(/both ends/)
  expect(of('2026-03-05T07:00', '2026-03-05T07:00')).toMatch(/after it begins/)
  expect(of('2026-03-05T07:00', '2026-03-05T12:01')).toMatch(/future/)
})
