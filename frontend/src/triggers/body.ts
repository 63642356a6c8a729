import type { Delivery, Json } from '../api/types'

export type Body =
  { look: 'none' } | { look: 'json'; value: Json } | { look: 'text'; text: string } | { look: 'base64'; text: string }

/** How the body of a delivery is shown: as JSON when all of it is there and it is some, else as it came. */
export function bodyOf(delivery: Pick<Delivery, 'body_preview' | 'body_encoding' | 'body_truncated'>): Body {
  const { body_preview: text, body_encoding, body_truncated } = delivery
  if (text === null || text === '') return { look: 'none' }
  if (body_encoding === 'base64') return { look: 'base64', text }
  const value = body_truncated ? undefined : parsed(text)
  return value === undefined ? { look: 'text', text } : { look: 'json', value }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
