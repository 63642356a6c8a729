import openapi, { astToString } from 'openapi-typescript'

/** The TypeScript of an OpenAPI document given as text. */
export async function typesOf(text) {
  const document = JSON.parse(text)
  // Operations are named by their path and method; ids, of which several may be alike, would mix them up.
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods)) delete operation.operationId
  }
  const types = await openapi(document, { emptyObjectsUnknown: true, alphabetize: true })
  return `// Written by \`npm run gen\` from the server's OpenAPI document; not edited by hand.\n\n${astToString(types)}`
}
