import { TextInput } from '@mantine/core'
import { useState } from 'react'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

const pattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/

/** The name of an exit. It is changed when the field is left: half a name would lose the exit's connections. */
export function PortField(props: FieldProps) {
  const { value, path, onChange, schema } = props
  const stored = typeof value === 'string' ? value : ''
  const [draft, setDraft] = useState<{ of: string; text: string } | null>(null)
  const [refused, setRefused] = useState<string | null>(null)
  const text = draft?.of === stored ? draft.text : stored
  const commit = () => {
    const name = text.trim()
    const others = schema['x-taken'] ?? []
    const why = name === stored || pattern.test(name) ? null : 'Letters, digits, and _ . - between them.'
    const clash = name !== stored && others.includes(name) ? 'Another exit has this name.' : null
    setRefused(why ?? clash)
    if (why || clash) return
    setDraft(null)
    if (name !== stored) onChange?.(name, path)
  }
  return (
    <TextInput
      {...frameProps(props)}
      value={text}
      error={refused ?? frameProps(props).error}
      onChange={({ currentTarget }) => setDraft({ of: stored, text: currentTarget.value })}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
      classNames={{ input: 'input-mono' }}
      spellCheck={false}
      autoComplete="off"
    />
  )
}
