import { useMemo } from 'react'

import type { Json, JsonObject, Problem, Schema } from '../api/types'

import { Field } from './Field'
import { isShown } from './schema'

type Props = {
  schema: Schema
  value: JsonObject
  /** `path` names the field that changed, so that typing into one field can be undone as one. */
  onChange?: (value: JsonObject, path: string) => void
  problems?: Problem[]
  /** Prefix of the field paths that problems speak of, such as "params". */
  root: string
}

/** A form drawn from a JSON Schema: one field per property, in the schema's order. */
export function SchemaForm({ schema, value, onChange, problems = [], root }: Props) {
  const messages = useMemo(() => byField(problems), [problems])
  return (
    <div className="form">
      <ObjectFields schema={schema} value={value} onChange={onChange} path={root} messages={messages} />
    </div>
  )
}

export type Messages = ReadonlyMap<string, string>

type ObjectProps = {
  schema: Schema
  value: JsonObject
  onChange?: (value: JsonObject, path: string) => void
  path: string
  messages: Messages
}

export function ObjectFields({ schema, value, onChange, path, messages }: ObjectProps) {
  const required = new Set(schema.required)
  const set = (name: string, next: Json | undefined, at: string) => {
    const { [name]: _, ...rest } = value
    // A known field keeps its place, so that the saved document does not change by being looked at.
    if (next === undefined) onChange?.(rest, at)
    else onChange?.(name in value ? { ...value, [name]: next } : { ...rest, [name]: next }, at)
  }
  const fields = schema.properties ?? {}
  // A field of which something is wrong is drawn in any case.
  const isWrong = (at: string) => [...messages.keys()].some((field) => field === at || field.startsWith(`${at}.`))
  const drawn = Object.entries(fields).filter(
    ([name, field]) => isShown(field, fields, value) || isWrong(`${path}.${name}`),
  )
  return drawn.map(([name, field]) => (
    <Field
      key={name}
      name={name}
      schema={field}
      value={value[name]}
      required={required.has(name)}
      path={`${path}.${name}`}
      messages={messages}
      onChange={onChange && ((next, at) => set(name, next, at))}
    />
  ))
}

/** Messages by field path; what lies deeper than a drawn field is found by its prefix. */
function byField(problems: Problem[]): Messages {
  const map = new Map<string, string>()
  for (const { field, message } of problems) {
    if (!field) continue
    const path = fieldPath(field)
    map.set(path, map.has(path) ? `${map.get(path)}\n${message}` : message)
  }
  return map
}

/** "params/url", "/params/url" and "params.cases[0].port" name their fields as the form does. */
export const fieldPath = (field: string): string =>
  field
    .replace(/^\//, '')
    .replaceAll('/', '.')
    .replace(/\[(\d+)\]/g, '.$1')

export const fieldId = (path: string): string => `field-${path}`
