// Writes src/api/schema.d.ts from the server's OpenAPI document: `npm run gen [-- FILE]`.
// The document comes from `flowforge openapi > api/openapi.json`.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import openapi, { astToString } from 'openapi-typescript'

const source = process.argv[2] ?? fileURLToPath(new URL('../../api/openapi.json', import.meta.url))
const target = fileURLToPath(new URL('../src/api/schema.d.ts', import.meta.url))

const document = JSON.parse(readFileSync(source, 'utf8'))
// Operations are named by their path and method; ids, of which several may be alike, would mix them up.
for (const methods of Object.values(document.paths)) {
  for (const operation of Object.values(methods)) delete operation.operationId
}
const types = await openapi(document, { emptyObjectsUnknown: true, alphabetize: true })
writeFileSync(
  target,
  `// Written by \`npm run gen\` from the server's OpenAPI document; not edited by hand.\n\n${astToString(types)}`,
)
