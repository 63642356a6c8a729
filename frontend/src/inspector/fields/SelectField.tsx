import { Select } from '@mantine/core'

import type { Choice } from '../schema'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

export function SelectField(props: FieldProps & { choices: Choice[] }) {
  const { schema, value, path, required, onChange, choices } = props
  const current = value ?? schema.default
  const chosen = choices.find((choice) => choice.value === current)
  const { description, ...frame } = frameProps(props)
  return (
    <Select
      {...frame}
      description={chosen?.help ?? description}
      data={choices.map(({ value: choice, label }) => ({ value: String(choice), label }))}
      value={current === undefined || current === null ? null : String(current)}
      onChange={(text) => onChange?.(choices.find((choice) => String(choice.value) === text)?.value, path)}
      placeholder={schema['x-placeholder'] ?? 'Choose…'}
      clearable={!required && value !== undefined}
      allowDeselect={false}
      checkIconPosition="right"
      comboboxProps={{ withinPortal: true }}
    />
  )
}
