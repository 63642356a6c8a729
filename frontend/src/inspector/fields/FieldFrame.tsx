import { Input } from '@mantine/core'
import type { ReactNode } from 'react'

import { Prose } from '../../ui/Prose'
import { fieldId } from '../SchemaForm'

import type { FieldProps } from './types'

type Props = Pick<FieldProps, 'label' | 'error' | 'required' | 'path' | 'schema'> & { children: ReactNode }

const prose = (text: string | undefined): ReactNode => text && <Prose text={text} />

/** Label, help and message around controls that the kit does not label itself. */
export function FieldFrame({ label, error, required, path, schema, children }: Props) {
  return (
    <Input.Wrapper
      label={label}
      description={prose(schema.description)}
      error={prose(error)}
      required={required}
      labelProps={{ htmlFor: fieldId(path) }}
    >
      <div className="field-body">{children}</div>
    </Input.Wrapper>
  )
}

/** The properties that each of the kit's inputs takes alike. */
export const frameProps = ({ label, error, required, path, schema, onChange }: FieldProps) => ({
  id: fieldId(path),
  label,
  description: prose(schema.description),
  error: prose(error),
  withAsterisk: required,
  disabled: !onChange,
})
