// @vitest-environment node
import { existsSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { typesOf } from '../scripts/types.mjs'

const document = new URL('../../api/openapi.json', import.meta.url)
const types = new URL('../src/api/schema.d.ts', import.meta.url)

test.skipIf(!existsSync(document))(
  'the generated types are those of the OpenAPI document; if not, `npm run gen`',
  async () => {
    expect(readFileSync(types, 'utf8')).toBe(await typesOf(readFileSync(document, 'utf8')))
  },
)
