import { createContext } from 'react'

/** How a field of a form names a secret: a trigger by its bare name, a step within a template. */
export type SecretWriting = 'template' | 'name'

export const SecretWritingContext = createContext<SecretWriting>('template')

export const writeSecret = (name: string, writing: SecretWriting): string =>
  writing === 'name' ? name : `{{ secrets.${name} }}`
