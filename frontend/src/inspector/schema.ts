import type { Json, JsonObject, Schema } from '../api/types'

// Reads the JSON Schema of a node's parameters as a list of fields. What it does not understand becomes a JSON field,
// so a new kind of parameter is plain but never missing.

export type Choice = { value: Json; label: string; help?: string }

export type Variant = { label: string; help?: string; tag: string; value: Json; schema: Schema }

export type Kind =
  | {
      kind: 'text' | Simple | 'number' | 'integer' | 'toggle'
    }
  | { kind: 'code'; language: 'javascript' | 'json' | 'shell' | 'text' }
  | { kind: 'select'; choices: Choice[] }
  | { kind: 'object'; schema: Schema }
  | { kind: 'list'; item: Schema }
  | { kind: 'variant'; variants: Variant[] }

type Simple =
  | 'textarea'
  | 'template'
  | 'expression'
  | 'pairs'
  | 'json'
  | 'secret'
  | 'literal'
  | 'port'
  | 'tags'
  | 'workflow'
  | 'cron'
  | 'timezone'
const widgets: Record<string, Simple> = {
  textarea: 'textarea',
  template: 'template',
  expression: 'expression',
  key_value: 'pairs',
  json: 'json',
  secret: 'secret',
  literal: 'literal',
  port: 'port',
  tags: 'tags',
  workflow: 'workflow',
  cron: 'cron',
  timezone: 'timezone',
}

/** Leaves the "or null" of an optional parameter out. */
export function bare(schema: Schema): Schema {
  const options = schema.anyOf ?? schema.oneOf
  const real = options?.filter((option) => option.type !== 'null')
  const [only] = real ?? []
  if (options && real?.length === 1 && only) {
    const { anyOf: _, oneOf: __, ...rest } = schema
    return bare({ ...only, ...rest })
  }
  if (!Array.isArray(schema.type)) return schema
  const types = schema.type.filter((type) => type !== 'null')
  return { ...schema, type: types.length === 1 ? types[0] : types }
}

export function kindOf(raw: Schema): Kind {
  const schema = bare(raw)
  const widget = schema['x-widget']
  if (widget === 'code') return { kind: 'code', language: languageOf(schema['x-language']) }
  const named = widget === undefined ? undefined : widgets[widget]
  if (named) return { kind: named }
  const choices = choicesOf(schema)
  if (choices) return { kind: 'select', choices }
  const variants = variantsOf(schema)
  if (variants) return { kind: 'variant', variants }
  return byType(schema)
}

function byType(schema: Schema): Kind {
  switch (schema.type) {
    case 'string':
      return { kind: 'text' }
    case 'integer':
    case 'number':
      return { kind: schema.type }
    case 'boolean':
      return { kind: 'toggle' }
    case 'array':
      return isForm(schema.items) ? { kind: 'list', item: schema.items } : { kind: 'json' }
    case 'object':
      if (schema.properties && Object.keys(schema.properties).length) return { kind: 'object', schema }
      return isText(schema.additionalProperties) ? { kind: 'pairs' } : { kind: 'json' }
    default:
      return { kind: 'json' }
  }
}

const languageOf = (name: string | undefined): 'javascript' | 'json' | 'shell' | 'text' =>
  name === 'javascript' || name === 'json' || name === 'shell' ? name : 'text'

const isText = (schema: Schema | boolean | undefined): boolean =>
  typeof schema === 'object' && bare(schema).type === 'string'

const isForm = (schema: Schema | boolean | undefined): schema is Schema =>
  typeof schema === 'object' && !['json', 'list'].includes(kindOf(schema).kind)

function choicesOf(schema: Schema): Choice[] | null {
  if (schema.enum)
    return schema.enum.filter((value) => value !== null).map((value) => ({ value, label: String(value) }))
  const options = schema.oneOf ?? schema.anyOf
  if (!options?.length) return null
  const flat = options.map((option) => (option.const === undefined ? (option.enum ?? null) : [option.const]))
  if (flat.some((values) => values === null || values.some((value) => typeof value === 'object'))) return null
  return options.flatMap((option, index) =>
    (flat[index] ?? []).map((value) => ({ value, label: option.title ?? String(value), help: option.description })),
  )
}

/** Objects told apart by one constant property, as a Rust enum with a tag is written. */
function variantsOf(schema: Schema): Variant[] | null {
  const options = schema.oneOf ?? schema.anyOf
  if (!options?.length || options.some((option) => option.type !== 'object')) return null
  const tag = Object.entries(options[0]?.properties ?? {}).find(([, value]) => value.const !== undefined)?.[0]
  if (!tag || options.some((option) => option.properties?.[tag]?.const === undefined)) return null
  return options.map((option) => {
    const value = option.properties?.[tag]?.const ?? null
    return {
      label: option.title ?? capital(String(value)),
      help: option.description,
      tag,
      value,
      schema: without(option, tag),
    }
  })
}

const without = (schema: Schema, name: string): Schema => ({
  ...schema,
  properties: Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([key]) => key !== name)),
})

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const units: Record<string, string> = { s: 'seconds', ms: 'milliseconds', usd: 'US dollars' }
const spelled: Record<string, string> = { url: 'URL', id: 'Id', json: 'JSON', html: 'HTML', sql: 'SQL' }

/** "max_parallel" reads "Max parallel" and "timeout_s" reads "Timeout (seconds)" where the schema has no title. */
export function labelOf(name: string, schema: Schema): string {
  if (schema.title) return schema.title
  const words = name.split('_')
  const unit = words.length > 1 ? units[words.at(-1) ?? ''] : undefined
  const text = (unit ? words.slice(0, -1) : words).map((word) => spelled[word] ?? word).join(' ')
  return capital(text) + (unit ? ` (${unit})` : '')
}

/**
 * Whether a field means anything beside the others, by its keyword `x-shown-when`: `{"scheme": ["bearer", "basic"]}` draws
 * it while the field `scheme` beside it is one of the two. A field that is not set counts as its default, and several
 * conditions must all hold. What is not drawn keeps its value, so that a choice can be undone.
 */
export function isShown(field: Schema, beside: Record<string, Schema>, value: JsonObject): boolean {
  const conditions = Object.entries(bare(field)['x-shown-when'] ?? {})
  return conditions.every(([name, wanted]) => {
    const set = value[name]
    const now = set === undefined || set === null || set === '' ? beside[name]?.default : set
    return isTemplate(now) || wanted.some((one) => one === now)
  })
}

/** The parameters a new step begins with: what the schema requires and has a default for. */
export function defaultsOf(schema: Schema): JsonObject {
  const required = new Set(schema.required)
  const entries = Object.entries(schema.properties ?? {})
  const given = entries.flatMap(([name, field]): [string, Json][] =>
    required.has(name) && field.default !== undefined ? [[name, field.default]] : [],
  )
  return Object.fromEntries(given)
}

/**
 * The parameters of a node whose exits some of them name: those are given names of exits, what stands beside them is
 * given on one line.
 */
export function withPorts(schema: Schema, from: string, taken: string[]): Schema {
  const list = bare(schema.properties?.[from] ?? {})
  if (typeof list.items !== 'object' || !list.items.properties?.port) return schema
  const fields = Object.entries(list.items.properties).map(([name, field]): [string, Schema] => {
    if (name === 'port') return [name, { ...field, 'x-widget': 'port', 'x-taken': taken }]
    return [name, kindOf(field).kind === 'json' ? { ...field, 'x-widget': 'literal' } : field]
  })
  const items = { ...list.items, properties: Object.fromEntries(fields) }
  return { ...schema, properties: { ...schema.properties, [from]: { ...list, items } } }
}

export const isTemplate = (value: Json | undefined): boolean => typeof value === 'string' && value.includes('{{')
