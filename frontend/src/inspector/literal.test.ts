import { expect, test } from 'vitest'

import { readLiteral, writeLiteral } from './literal'

test.each(['high', '5', '', ' a ', 'true', '"', '{"a":1}', 'null', 5, 0, true, null, [1], { a: 'b' }])(
  '%j is written on a line and read again',
  (value) => expect(readLiteral(writeLiteral(value))).toEqual(value),
)

test('text stands without quotes unless it would mean something else', () => {
  expect(['high', '5', 5, 'null'].map(writeLiteral)).toEqual(['high', '"5"', '5', '"null"'])
})
