import { CodeEditor } from '../../ui/CodeEditor'
import { fieldId } from '../SchemaForm'

import { FieldFrame } from './FieldFrame'
import type { FieldProps } from './types'

export function CodeField(props: FieldProps & { language: 'javascript' | 'json' | 'shell' | 'text' }) {
  const { label, path, value, error, schema, onChange, language } = props
  return (
    <FieldFrame {...props}>
      <CodeEditor
        id={fieldId(path)}
        label={label}
        value={typeof value === 'string' ? value : ''}
        onChange={onChange && ((text) => onChange(text, path))}
        language={language}
        placeholder={schema['x-placeholder']}
        invalid={Boolean(error)}
        minHeight={120}
      />
    </FieldFrame>
  )
}
