import type { Json, Schema } from '../../api/types'
import type { Messages } from '../SchemaForm'

export type FieldInput = {
  name: string
  schema: Schema
  value: Json | undefined
  required: boolean
  path: string
  messages: Messages
  /** Absent where the form is read-only. `undefined` takes the value away. */
  onChange?: (value: Json | undefined, path: string) => void
}

export type FieldProps = FieldInput & { label: string; error: string | undefined }
