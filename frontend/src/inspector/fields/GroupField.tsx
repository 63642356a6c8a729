import { Select } from '@mantine/core'

import type { Json, JsonObject } from '../../api/types'
import { Prose } from '../../ui/Prose'
import { ObjectFields } from '../SchemaForm'
import { defaultsOf, type Variant } from '../schema'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

export const asObject = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}

/** An object with fields of its own. */
export function GroupField({ schema, label, error, value, path, messages, onChange, required }: FieldProps) {
  const set = (next: JsonObject, at: string) => onChange?.(Object.keys(next).length || required ? next : undefined, at)
  return (
    <fieldset className="group">
      <legend>{label}</legend>
      {schema.description && (
        <p className="group-help">
          <Prose text={schema.description} />
        </p>
      )}
      {error && (
        <p className="group-error">
          <Prose text={error} />
        </p>
      )}
      <ObjectFields
        schema={schema}
        value={asObject(value)}
        onChange={onChange && set}
        path={path}
        messages={messages}
      />
    </fieldset>
  )
}

/** One of several objects: a choice, then the fields of what was chosen. */
export function VariantField(props: FieldProps & { variants: Variant[] }) {
  const { schema, value, path, messages, onChange, variants, required } = props
  const object = asObject(value)
  const chosen = variants.find((variant) => object[variant.tag] === variant.value)
  const choose = (text: string | null) => {
    const next = variants.find((variant) => String(variant.value) === text)
    onChange?.(next && { [next.tag]: next.value, ...defaultsOf(next.schema) }, path)
  }
  return (
    <div className={chosen ? 'group' : undefined}>
      <Select
        {...frameProps(chosen?.help ? { ...props, schema: { ...schema, description: chosen.help } } : props)}
        data={variants.map((variant) => ({ value: String(variant.value), label: variant.label }))}
        value={chosen ? String(chosen.value) : null}
        onChange={choose}
        placeholder={required ? 'Choose…' : 'None'}
        clearable={!required}
        allowDeselect={false}
      />
      {chosen && (
        <ObjectFields schema={chosen.schema} value={object} onChange={onChange} path={path} messages={messages} />
      )}
    </div>
  )
}
