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

/** How many items a step has; null when it has none. */
export const totalOf = (awaiting: Awaiting | null | undefined): number | null =>
  awaiting?.kind === 'children' ? awaiting.total : null
