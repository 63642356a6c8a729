import { useState } from 'react'

import type { Json } from '../../api/types'
import { CodeEditor } from '../../ui/CodeEditor'
import { fieldId } from '../SchemaForm'

import { FieldFrame } from './FieldFrame'
import type { FieldProps } from './types'

/** Any JSON. Text that is not JSON yet stays in the field and out of the document, and the field says so. */
export function JsonField(props: FieldProps) {
  const { label, path, value, error, schema, onChange } = props
  const [typed, setTyped] = useState<{ text: string; value: Json | undefined } | null>(null)
  // What was typed is shown as it was typed as long as the document still holds what it meant.
  const text = typed && same(typed.value, value) ? typed.text : toText(value)
  const broken = typed !== null && same(typed.value, value) && read(typed.text) === null
  const set = (next: string) => {
    const parsed = read(next)
    setTyped({ text: next, value: parsed ? parsed.value : value })
    if (parsed && !same(parsed.value, value)) onChange?.(parsed.value, path)
  }
  return (
    <FieldFrame
      {...props}
      error={broken ? 'This is not JSON yet, so it is not saved. A text stands in quotes.' : error}
    >
      <CodeEditor
        id={fieldId(path)}
        label={label}
        value={text}
        onChange={onChange && set}
        language="json"
        placeholder={schema['x-placeholder'] ?? (schema.type === 'array' ? '[ ]' : '{ }')}
        invalid={broken || Boolean(error)}
        minHeight={props.required ? undefined : 32}
      />
    </FieldFrame>
  )
}

const toText = (value: Json | undefined): string => (value === undefined ? '' : JSON.stringify(value, null, 2))

const same = (a: Json | undefined, b: Json | undefined): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

/** Empty text is no value; a bare {{ … }} is the string that it will be as a parameter. */
function read(text: string): { value: Json | undefined } | null {
  const trimmed = text.trim()
  if (trimmed === '') return { value: undefined }
  if (/^\{\{.*\}\}$/s.test(trimmed)) return { value: trimmed }
  try {
    return { value: JSON.parse(trimmed) as Json }
  } catch {
    return null
  }
}
