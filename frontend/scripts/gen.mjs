// Writes src/api/schema.d.ts from the server's OpenAPI document: `npm run gen [-- FILE]`.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = process.argv[2] ?? fileURLToPath(new URL('../../api/openapi.json', import.meta.url))
const generator = fileURLToPath(new URL('../node_modules/openapi-typescript/bin/cli.js', import.meta.url))
execFileSync(process.execPath, [generator, source, '--output', 'src/api/schema.d.ts'], { cwd: root, stdio: 'inherit' })
