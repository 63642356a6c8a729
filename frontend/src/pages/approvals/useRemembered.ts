import { useState } from 'react'

import type { Approval } from '../../api/types'

export const keyOf = (one: Approval): string => `${one.run_id} ${one.node_id} ${one.attempt}`

/**
 * What waits, with what waited since the page was opened: a card that was answered stays and says so, and none moves
 * away from under the pointer because another was answered elsewhere.
 */
export function useRemembered(waiting: Approval[] | undefined): Approval[] {
  const [seen, setSeen] = useState<Approval[]>([])
  const merged = waiting ? merge(seen, waiting) : seen
  if (merged !== seen) setSeen(merged)
  return merged
}

/** The list before, each entry as it is now, then those that are new; the same list when nothing differs. */
export function merge(seen: Approval[], waiting: readonly Approval[]): Approval[] {
  const now = new Map(waiting.map((one) => [keyOf(one), one]))
  const known = new Set(seen.map(keyOf))
  const next = [...seen.map((one) => now.get(keyOf(one)) ?? one), ...waiting.filter((one) => !known.has(keyOf(one)))]
  const same = next.length === seen.length && next.every((one, at) => one === seen[at])
  return same ? seen : next
}
