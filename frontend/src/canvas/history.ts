// Undo and redo over immutable documents. Every entry says what it did, so that the button can.

export type Entry<T> = { value: T; label: string; merge: string | null }

export type History<T> = { past: Entry<T>[]; present: T; label: string; merge: string | null; future: Entry<T>[] }

const depth = 200

export const begin = <T>(present: T): History<T> => ({ past: [], present, label: '', merge: null, future: [] })

/**
 * Records a change. Consecutive changes with the same `merge` key (typing into one field, a row of arrow keys)
 * become one entry; a change to the same value is none.
 */
export function record<T>(history: History<T>, value: T, label: string, merge: string | null = null): History<T> {
  if (value === history.present) return history
  if (merge !== null && merge === history.merge && !history.future.length) return { ...history, present: value }
  const entry = { value: history.present, label: history.label, merge: history.merge }
  return { past: [...history.past, entry].slice(-depth), present: value, label, merge, future: [] }
}

export function undo<T>(history: History<T>): History<T> {
  const last = history.past.at(-1)
  if (!last) return history
  const future = [{ value: history.present, label: history.label, merge: null }, ...history.future]
  return { past: history.past.slice(0, -1), present: last.value, label: last.label, merge: null, future }
}

export function redo<T>(history: History<T>): History<T> {
  const [next, ...future] = history.future
  if (!next) return history
  const past = [...history.past, { value: history.present, label: history.label, merge: null }]
  return { past, present: next.value, label: next.label, merge: null, future }
}

/** What the next undo takes back, or null. */
export const undoLabel = <T>(history: History<T>): string | null => (history.past.length ? history.label : null)
export const redoLabel = <T>(history: History<T>): string | null => history.future[0]?.label ?? null
