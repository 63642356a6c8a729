import { TextInput } from '@mantine/core'
import { useState } from 'react'

import { readLiteral, writeLiteral } from '../literal'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

/** Any JSON on one line; text needs no quotes. */
export function LiteralField(props: FieldProps) {
  const { value, path, schema, required, onChange } = props
  const [typed, setTyped] = useState<string | null>(null)
  const stored = value === undefined ? '' : writeLiteral(value)
  // What was typed stays as it was typed while it still means what is stored.
  const text = typed !== null && JSON.stringify(readLiteral(typed)) === JSON.stringify(value) ? typed : stored
  const set = (next: string) => {
    setTyped(next)
    onChange?.(next.trim() === '' && !required ? undefined : readLiteral(next), path)
  }
  return (
    <TextInput
      {...frameProps(props)}
      value={text}
      onChange={({ currentTarget }) => set(currentTarget.value)}
      placeholder={schema['x-placeholder']}
      classNames={{ input: 'input-mono' }}
      spellCheck={false}
      autoComplete="off"
    />
  )
}
