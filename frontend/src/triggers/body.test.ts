import { expect, test } from 'vitest'

import { bodyOf } from './body'

const of = (body_preview: string | null, more: { base64?: boolean; cut?: boolean } = {}) =>
  bodyOf({ body_preview, body_encoding: more.base64 ? 'base64' : 'text', body_truncated: more.cut ?? false })

test.each([
  ['{"a": [1]}', {}, { look: 'json', value: { a: [1] } }],
  ['null', {}, { look: 'json', value: null }],
  ['a=1&b=2', {}, { look: 'text', text: 'a=1&b=2' }],
  // The beginning of something may be JSON by chance: 12 of 1234.
  ['12', { cut: true }, { look: 'text', text: '12' }],
  ['AP/+', { base64: true }, { look: 'base64', text: 'AP/+' }],
  ['', {}, { look: 'none' }],
  [null, {}, { look: 'none' }],
])('%s %o', (text, more, shown) => expect(of(text, more)).toEqual(shown))
