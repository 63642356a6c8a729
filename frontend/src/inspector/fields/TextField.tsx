import { Textarea, TextInput } from '@mantine/core'
import type { ChangeEvent } from 'react'

import { isTemplate } from '../schema'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

type Look = 'text' | 'textarea' | 'template' | 'expression'

const long: Record<Look, boolean> = { text: false, textarea: true, template: true, expression: true }

export function TextField(props: FieldProps & { look: Look }) {
  const { schema, value, path, required, onChange, look } = props
  // An emptied optional field is left out of the document rather than sent as "".
  const set = ({ currentTarget }: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
    onChange?.(currentTarget.value === '' && !required ? undefined : currentTarget.value, path)
  const text = typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)
  const standard = typeof schema.default === 'string' ? schema.default : undefined
  const shared = {
    ...frameProps(props),
    value: text,
    onChange: set,
    placeholder: schema['x-placeholder'] ?? standard,
    classNames: { input: look === 'expression' || isTemplate(text) ? 'input-mono' : '' },
    spellCheck: look === 'textarea',
    autoComplete: 'off',
  }
  if (long[look]) return <Textarea {...shared} autosize minRows={look === 'textarea' ? 3 : 1} maxRows={12} />
  return <TextInput {...shared} />
}
