import { TagsInput } from '@mantine/core'

import { frameProps } from './FieldFrame'
import { JsonField } from './JsonField'
import type { FieldProps } from './types'

/** A list of short texts, some of which may be offered. */
export function TagsField(props: FieldProps) {
  const { value, path, schema, onChange } = props
  if (value !== undefined && value !== null && !isTexts(value)) return <JsonField {...props} />
  return (
    <TagsInput
      {...frameProps(props)}
      data={schema['x-choices'] ?? []}
      value={value ?? []}
      onChange={(next) => onChange?.(next.length || props.required ? next : undefined, path)}
      placeholder={value?.length ? undefined : schema['x-placeholder']}
      splitChars={[',', ' ']}
      acceptValueOnBlur
      comboboxProps={{ withinPortal: true }}
    />
  )
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'string')
