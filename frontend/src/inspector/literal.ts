import type { Json } from '../api/types'

/** What a line of text means: JSON where it is JSON, else the text itself. */
export function readLiteral(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** The shortest line that means the value: quotes only for text that would be read as something else. */
export function writeLiteral(value: Json): string {
  return typeof value === 'string' && readLiteral(value) === value ? value : JSON.stringify(value)
}
