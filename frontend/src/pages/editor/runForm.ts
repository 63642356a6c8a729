import type { Graph, Json, JsonObject, Schema } from '../../api/types'

type FormField = {
  name: string
  label?: string
  type?: 'text' | 'textarea' | 'number' | 'boolean' | 'select' | 'json'
  required?: boolean
  default?: Json
  options?: Json[]
}

const shapes: Record<NonNullable<FormField['type']>, (field: FormField) => Schema> = {
  text: () => ({ type: 'string' }),
  textarea: () => ({ type: 'string', 'x-widget': 'textarea' }),
  number: () => ({ type: 'number' }),
  boolean: () => ({ type: 'boolean' }),
  select: (field) => ({ enum: (field.options ?? []).map(optionValue) }),
  json: () => ({ 'x-widget': 'json' }),
}

const known = new WeakMap<Graph, Schema | null>()

/** The manual trigger's fields as a schema, so that the form of the steps draws the form of the run. */
export function formOf(graph: Graph): Schema | null {
  const before = known.get(graph)
  if (before !== undefined) return before
  const fields = graph.nodes.find((node) => node.type === 'trigger.manual')?.params?.fields
  const list = Array.isArray(fields) ? fields.filter(isField) : []
  const schema = list.length ? toSchema(list) : null
  known.set(graph, schema)
  return schema
}

const isField = (value: Json): value is Json & FormField =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  typeof value.name === 'string' &&
  value.name !== ''

/** An option may be a bare value or an object that names one. */
const optionValue = (option: Json): Json =>
  typeof option === 'object' && option !== null && !Array.isArray(option) ? (option.value ?? null) : option

function toSchema(fields: FormField[]): Schema {
  const property = (field: FormField): Schema => ({
    ...shapes[field.type ?? 'text'](field),
    title: field.label || undefined,
    default: field.default ?? undefined,
  })
  return {
    type: 'object',
    properties: Object.fromEntries(fields.map((field) => [field.name, property(field)])),
    required: fields.filter((field) => field.required).map((field) => field.name),
  }
}

export function firstValues(form: Schema | null): JsonObject {
  const entries = Object.entries(form?.properties ?? {})
  return Object.fromEntries(
    entries.flatMap(([name, { default: value }]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** A switch that was never touched is off, not missing. */
export function toInput(form: Schema, values: JsonObject): JsonObject {
  const entries = Object.entries(form.properties ?? {})
  const off = entries
    .filter(([name, field]) => field.type === 'boolean' && !(name in values))
    .map(([name]) => [name, false])
  return { ...Object.fromEntries(off), ...values }
}

export function missingOf(form: Schema, values: JsonObject): string[] {
  const names = (form.required ?? []).filter((name) => form.properties?.[name]?.type !== 'boolean')
  return names
    .filter((name) => values[name] === undefined || values[name] === '')
    .map((name) => form.properties?.[name]?.title ?? name)
}
