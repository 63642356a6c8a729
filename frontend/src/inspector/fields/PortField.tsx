import { TextInput } from '@mantine/core'
import { useState } from 'react'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

const longest = 64

function refusal(name: string, taken: readonly string[]): string | null {
  if (name === '') return 'An exit needs a name.'
  if (name.length > longest || name.includes('{{')) return `At most ${longest} characters, and no expression.`
  return taken.includes(name) ? 'Another exit has this name.' : null
}

/** The name of an exit. It is changed when the field is left: half a name would lose the exit's connections. */
export function PortField(props: FieldProps) {
  const { value, path, onChange, schema } = props
  const stored = typeof value === 'string' ? value : ''
  const [draft, setDraft] = useState<{ of: string; text: string } | null>(null)
  const [refused, setRefused] = useState<string | null>(null)
  const text = draft?.of === stored ? draft.text : stored
  const commit = () => {
    const name = text.trim()
    const why = name === stored ? null : refusal(name, schema['x-taken'] ?? [])
    setRefused(why)
    if (why) return
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
