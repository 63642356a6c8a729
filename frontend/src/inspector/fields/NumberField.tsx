import { NumberInput } from '@mantine/core'

import { frameProps } from './FieldFrame'
import { TemplateToggle } from './TemplateToggle'
import type { FieldProps } from './types'

export function NumberField(props: FieldProps & { whole: boolean }) {
  const { schema, value, path, onChange, whole } = props
  return (
    <TemplateToggle {...props}>
      {(toggle) => (
        <NumberInput
          {...frameProps(props)}
          value={typeof value === 'number' ? value : ''}
          onChange={(next) => onChange?.(typeof next === 'number' ? next : undefined, path)}
          placeholder={
            schema['x-placeholder'] ?? (typeof schema.default === 'number' ? String(schema.default) : undefined)
          }
          min={schema.minimum}
          max={schema.maximum}
          clampBehavior="none"
          allowDecimal={!whole}
          hideControls
          rightSection={toggle}
        />
      )}
    </TemplateToggle>
  )
}
