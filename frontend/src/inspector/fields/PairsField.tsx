import { ActionIcon, Button, TextInput } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useState } from 'react'

import type { Json, JsonObject } from '../../api/types'
import { fieldId } from '../SchemaForm'

import { FieldFrame } from './FieldFrame'
import { JsonField } from './JsonField'
import type { FieldProps } from './types'

type Pair = [key: string, value: string]

/** Names and texts, such as headers. A value that is not such an object is edited as JSON. */
export function PairsField(props: FieldProps) {
  const { path, value, label, onChange } = props
  const [rows, setRows] = useState<Pair[] | null>(null)
  if (value !== undefined && value !== null && !isPairs(value)) return <JsonField {...props} />
  const stored = Object.entries(isPairs(value) ? value : {})
  // A row without a name, or a name twice, is on screen only until it can be stored.
  const shown = rows && same(toObject(rows), stored) ? rows : stored
  const set = (next: Pair[]) => {
    setRows(next)
    const object = toObject(next)
    onChange?.(Object.keys(object).length ? object : undefined, path)
  }
  const edit = (index: number, pair: Pair) => set(shown.map((row, at) => (at === index ? pair : row)))
  return (
    <FieldFrame {...props}>
      {shown.map(([key, text], index) => (
        <div className="pair" key={index}>
          <TextInput
            id={index === 0 ? fieldId(path) : undefined}
            aria-label={`${label}: name ${index + 1}`}
            placeholder="Name"
            value={key}
            disabled={!onChange}
            onChange={({ currentTarget }) => edit(index, [currentTarget.value, text])}
          />
          <TextInput
            aria-label={`${label}: value ${index + 1}`}
            placeholder="Value"
            value={text}
            disabled={!onChange}
            onChange={({ currentTarget }) => edit(index, [key, currentTarget.value])}
          />
          <ActionIcon
            aria-label={`Remove ${key || 'row'}`}
            disabled={!onChange}
            onClick={() => set(shown.filter((_, at) => at !== index))}
          >
            <IconX size={15} />
          </ActionIcon>
        </div>
      ))}
      {onChange && (
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPlus size={14} />}
          onClick={() => set([...shown, ['', '']])}
        >
          Add
        </Button>
      )}
    </FieldFrame>
  )
}

const isPairs = (value: Json | undefined): value is Record<string, string> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((entry) => typeof entry === 'string')

const toObject = (rows: Pair[]): JsonObject => Object.fromEntries(rows.filter(([key]) => key !== ''))

const same = (object: JsonObject, stored: Pair[]): boolean =>
  JSON.stringify(Object.entries(object)) === JSON.stringify(stored)
