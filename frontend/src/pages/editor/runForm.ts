import type { Graph, Json, JsonObject, Problem, Schema } from '../../api/types'

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

/** What keeps the form from being sent, by field, as the fields show it. */
export function faultsOf(form: Schema, values: JsonObject): Problem[] {
  return Object.entries(form.properties ?? {}).flatMap(([name, field]): Problem[] => {
    const fault = faultOf(field, form.required?.includes(name) ?? false, values[name])
    return fault ? [{ code: 'invalid_input', field: `input.${name}`, message: fault, node_id: null }] : []
  })
}

function faultOf(field: Schema, required: boolean, value: Json | undefined): string | null {
  if (value === undefined || value === null || value === '')
    return required && field.type !== 'boolean' ? 'Fill this in to start the run.' : null
  if (field.type === 'number' && typeof value !== 'number') return 'This is no number.'
  if (field.enum && !field.enum.some((one) => one === value)) return 'Choose one of the options.'
  return null
}
