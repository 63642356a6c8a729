// Times as a browser's own field for date and time has them: on the clock of whoever looks, without a zone.

const two = (n: number): string => String(n).padStart(2, '0')

/** "2026-11-20T09:05" */
export function toField(at: Date): string {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}`
}

/** The instant in UTC; null while it is no time yet. */
export function fromField(text: string): string | null {
  const at = text ? new Date(text) : null
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : null
}

export type Range = { from: string; to: string }

/** The range, or why it cannot be one. */
export function rangeOf(from: string, to: string, now: number): Range | string {
  const [first, last] = [fromField(from), fromField(to)]
  if (!first || !last) return 'Give both ends of the range.'
  if (first >= last) return 'It must end after it begins.'
  return Date.parse(last) > now ? 'It cannot end in the future.' : { from: first, to: last }
}
