import { expect, test } from 'vitest'

import { shares, toneOf } from './words'

test('a bar is never longer than it is', () => {
  expect(shares(25, 25, 100)).toEqual({ spent: 25, reserved: 25 })
  expect(shares(90, 30, 100)).toEqual({ spent: 90, reserved: 10 })
  expect(shares(130, 5, 100)).toEqual({ spent: 100, reserved: 0 })
  expect(shares(0, 0, 0)).toEqual({ spent: 100, reserved: 0 })
})

test('a budget that is used up looks like it', () => {
  expect(toneOf(10, 10, 100)).toBe('success')
  expect(toneOf(60, 20, 100)).toBe('waiting')
  expect(toneOf(100, 0, 100)).toBe('failed')
  expect(toneOf(0, 0, 0)).toBe('failed')
})
