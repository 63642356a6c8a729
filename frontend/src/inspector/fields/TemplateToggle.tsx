import { ActionIcon, TextInput, Tooltip } from '@mantine/core'
import { IconBraces } from '@tabler/icons-react'
import { useContext, type ReactNode } from 'react'

import { isTemplate } from '../schema'

import { frameProps } from './FieldFrame'
import { TakesTemplates } from './takesTemplates'
import type { FieldProps } from './types'

/** A control that is not text, which may also be given as one {{ … }}. */
export function TemplateToggle(props: FieldProps & { children: (toggle: ReactNode) => ReactNode }) {
  const { value, path, onChange, schema, children } = props
  const templates = useContext(TakesTemplates)
  const text = typeof value === 'string' ? value : ''
  // A template that is being typed is not whole yet.
  const on = isTemplate(text) || text.startsWith('{')
  // Only a step's parameters are resolved when it runs; a timeout or a run's input is taken as it is.
  if (!templates || !path.startsWith('params')) return children(null)
  const label = on ? 'Give a fixed value' : 'Give an expression'
  const toggle = (
    <Tooltip label={label}>
      <ActionIcon
        size={28}
        aria-label={`${label} for ${props.label}`}
        aria-pressed={on}
        disabled={!onChange}
        onClick={() => onChange?.(on ? schema.default : '{{  }}', path)}
      >
        <IconBraces size={15} color={on ? 'var(--accent)' : undefined} />
      </ActionIcon>
    </Tooltip>
  )
  if (!on) return children(toggle)
  return (
    <TextInput
      {...frameProps(props)}
      value={text}
      onChange={({ currentTarget }) => onChange?.(currentTarget.value || undefined, path)}
      classNames={{ input: 'input-mono' }}
      rightSection={toggle}
      spellCheck={false}
    />
  )
}
