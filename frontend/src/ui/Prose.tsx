/** A sentence of the server, in which names stand between backticks. */
export function Prose({ text }: { text: string }) {
  const parts = text.split('`')
  return parts.map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part))
}
