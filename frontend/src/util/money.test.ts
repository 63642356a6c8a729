import { expect, test } from 'vitest'

import { formatCount, formatUsd } from './money'

test.each([
  [0, '$0.00'],
  [12.3, '$12.30'],
  [1234.567, '$1,234.57'],
  [0.01, '$0.01'],
  [0.0012345, '$0.0012'],
  [0.001, '$0.001'],
  [0.000001, '$0.000001'],
])('%s dollars are %s', (dollars, text) => expect(formatUsd(dollars)).toBe(text))

test('large counts are short', () => {
  expect([0, 950, 12_400, 3_000_000].map(formatCount)).toEqual(['0', '950', '12.4K', '3M'])
})
