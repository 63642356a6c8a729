import { expect, test } from 'vitest'

import { isWider, nameRefusal, valueRefusal } from './hosts'

test.each([
  [['a.org'], ['a.org', 'b.org'], true],
  [['a.org'], [], true],
  [['a.org', 'b.org'], ['a.org'], false],
  [['a.org'], ['A.org'], false],
  [[], ['a.org'], false],
  [[], [], false],
])('from %o to %o: %s', (before, after, wider) => expect(isWider(before, after)).toBe(wider))

test('names and values are refused before they are sent', () => {
  expect(nameRefusal('ORDERS_KEY', [])).toBeNull()
  expect(nameRefusal('1ST', [])).toMatch(/letter/)
  expect(nameRefusal('A'.repeat(65), [])).toMatch(/64/)
  expect(nameRefusal('ORDERS_KEY', ['ORDERS_KEY'])).toMatch(/Replace/)
  expect(valueRefusal('1234567')).toMatch(/8/)
  expect(valueRefusal('12345678')).toBeNull()
})
