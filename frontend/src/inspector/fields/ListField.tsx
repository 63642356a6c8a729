import { ActionIcon, Button } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'

import type { Json, Schema } from '../../api/types'
import { Field } from '../Field'
import { ObjectFields } from '../SchemaForm'
import { defaultsOf, kindOf } from '../schema'

import { FieldFrame } from './FieldFrame'
import { asObject } from './GroupField'
import { JsonField } from './JsonField'
import type { FieldProps } from './types'

/** A list of values or of small forms. */
export function ListField(props: FieldProps & { item: Schema }) {
  const { value, path, label, messages, onChange, item } = props
  if (value !== undefined && value !== null && !Array.isArray(value)) return <JsonField {...props} />
  const rows = value ?? []
  const set = (next: Json[], at: string) => onChange?.(next.length || props.required ? next : undefined, at)
  const edit = (index: number, next: Json | undefined, at: string) =>
    set(
      rows.map((row, place) => (place === index ? (next ?? blank(item)) : row)),
      at,
    )
  return (
    <FieldFrame {...props}>
      {rows.map((row, index) => (
        <div className="list-row" key={index}>
          <div className={isPair(item) ? 'grow two' : 'grow form'}>
            {kindOf(item).kind === 'object' ? (
              <ObjectFields
                schema={item}
                value={asObject(row)}
                onChange={onChange && ((next, at) => edit(index, next, at))}
                path={`${path}.${index}`}
                messages={messages}
              />
            ) : (
              <Field
                name={`${label} ${index + 1}`}
                schema={item}
                value={row}
                required
                path={`${path}.${index}`}
                messages={messages}
                onChange={onChange && ((next, at) => edit(index, next, at))}
              />
            )}
          </div>
          {onChange && (
            <ActionIcon
              aria-label={`Remove ${label} ${index + 1}`}
              onClick={() =>
                set(
                  rows.filter((_, at) => at !== index),
                  path,
                )
              }
            >
              <IconX size={15} />
            </ActionIcon>
          )}
        </div>
      ))}
      {onChange && (
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPlus size={14} />}
          onClick={() => set([...rows, blank(item)], path)}
        >
          Add
        </Button>
      )}
    </FieldFrame>
  )
}

/** Two short fields stand side by side. */
function isPair(item: Schema): boolean {
  const fields = Object.values(item.properties ?? {})
  return fields.length === 2 && fields.every((field) => short.has(kindOf(field).kind))
}

const short: ReadonlySet<string> = new Set(['literal', 'port', 'number', 'integer', 'select'])

function blank(item: Schema): Json {
  const kind = kindOf(item).kind
  if (kind === 'object') return defaultsOf(item)
  if (kind === 'number' || kind === 'integer') return 0
  return kind === 'toggle' ? false : ''
}
