import type { Awaiting, RunStatus, RunSummary } from '../api/types'

const order: RunStatus[] = ['running', 'waiting', 'pending', 'failed', 'cancelled', 'completed']

/** How many of the items stand where, activity and trouble first. */
export function countsOf(items: readonly RunSummary[]): [status: RunStatus, count: number][] {
  const counts = order.map((status): [RunStatus, number] => [
    status,
    items.filter((item) => item.status === status).length,
  ])
  return counts.filter(([, count]) => count > 0)
}

/** How many items a step waits for; null when it waits for none. */
export function totalOf(awaiting: Awaiting | null): number | null {
  if (awaiting?.kind !== 'children') return null
  return awaiting.total ?? awaiting.items?.length ?? null
}
