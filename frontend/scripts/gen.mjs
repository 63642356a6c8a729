// Writes src/api/schema.d.ts from the server's OpenAPI document: `npm run gen [-- FILE]`.
// The document comes from `flowforge openapi > api/openapi.json`.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { typesOf } from './types.mjs'

const source = process.argv[2] ?? fileURLToPath(new URL('../../api/openapi.json', import.meta.url))
const target = fileURLToPath(new URL('../src/api/schema.d.ts', import.meta.url))
writeFileSync(target, await typesOf(readFileSync(source, 'utf8')))
