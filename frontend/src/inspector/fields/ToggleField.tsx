import { Group, Switch } from '@mantine/core'

import { frameProps } from './FieldFrame'
import { TemplateToggle } from './TemplateToggle'
import type { FieldProps } from './types'

export function ToggleField(props: FieldProps) {
  const { schema, value, path, onChange } = props
  return (
    <TemplateToggle {...props}>
      {(toggle) => {
        const { withAsterisk: _, ...frame } = frameProps(props)
        return (
          <Group justify="space-between" wrap="nowrap" align="flex-start" gap={8}>
            <Switch
              {...frame}
              size="sm"
              checked={typeof value === 'boolean' ? value : schema.default === true}
              onChange={({ currentTarget }) => onChange?.(currentTarget.checked, path)}
            />
            {toggle}
          </Group>
        )
      }}
    </TemplateToggle>
  )
}
