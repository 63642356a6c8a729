import { ActionIcon, Autocomplete, Menu, PasswordInput, Tooltip } from '@mantine/core'
import { IconKey } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useContext, useState } from 'react'

import { secretsQuery } from '../../api/secretQueries'
import { isTemplate } from '../schema'

import { frameProps } from './FieldFrame'
import { TakesTemplates } from './takesTemplates'
import type { FieldProps } from './types'

/** What is secret: best the name of a secret of the workspace, which is offered. */
export function SecretField(props: FieldProps) {
  const { schema, value, path, required, onChange } = props
  const templates = useContext(TakesTemplates)
  const [shown, setShown] = useState(false)
  const secrets = useQuery({ ...secretsQuery, enabled: Boolean(onChange) })
  const names = secrets.data?.map(({ name }) => name) ?? []
  const text = typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)
  const set = (next: string) => onChange?.(next === '' && !required ? undefined : next, path)
  const shared = { ...frameProps(props), value: text, spellCheck: false, autoComplete: 'off' }
  if (!templates) {
    return (
      <Autocomplete
        {...shared}
        size="sm"
        data={names}
        onChange={set}
        placeholder={schema['x-placeholder'] ?? 'Name of a secret'}
        classNames={{ input: 'input-mono' }}
        comboboxProps={{ withinPortal: true }}
      />
    )
  }
  return (
    <PasswordInput
      {...shared}
      onChange={({ currentTarget }) => set(currentTarget.value)}
      placeholder={schema['x-placeholder'] ?? '{{ secrets.NAME }}'}
      classNames={{ innerInput: isTemplate(text) ? 'input-mono' : '' }}
      // What names a secret is none itself, and hiding it would only hide a typing error.
      visible={shown || isTemplate(text)}
      onVisibilityChange={setShown}
      leftSection={
        onChange && (
          <Menu position="bottom-start" withinPortal>
            <Tooltip label="Use a secret">
              <Menu.Target>
                <ActionIcon size={26} aria-label={`Use a secret for ${props.label}`}>
                  <IconKey size={15} />
                </ActionIcon>
              </Menu.Target>
            </Tooltip>
            <Menu.Dropdown mah={320} style={{ overflowY: 'auto' }}>
              {names.length === 0 && <Menu.Label>No secrets yet: add them on the page Secrets.</Menu.Label>}
              {names.map((name) => (
                <Menu.Item key={name} className="mono" onClick={() => set(`{{ secrets.${name} }}`)}>
                  {name}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        )
      }
    />
  )
}
