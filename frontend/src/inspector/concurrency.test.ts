import { expect, test } from 'vitest'

import { settled } from './Concurrency'

test('a key comes with a limit and goes with it', () => {
  expect(settled(undefined, { key: 'a' })).toEqual({ key: 'a', limit: 1 })
  expect(settled({ limit: 2, key: 'a' }, { key: 'a' })).toBeUndefined()
  expect(settled({ limit: 2 }, { limit: 3, key: 'b' })).toEqual({ limit: 3, key: 'b' })
  expect(settled({ limit: 2 }, undefined)).toBeUndefined()
})
