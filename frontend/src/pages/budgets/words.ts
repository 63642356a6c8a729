import type { Budget, BudgetPeriod, UsageBy } from '../../api/types'

export const periodWords: Record<BudgetPeriod, string> = {
  day: 'a day',
  week: 'a week',
  month: 'a month',
  total: 'in all',
}

export const byWords: Record<UsageBy, string> = {
  day: 'Day',
  workflow: 'Workflow',
  node: 'Step',
  model: 'Model',
  user: 'Person',
  run: 'Run',
}

/** What may be spent in the current period. */
export const allowed = (budget: Pick<Budget, 'limit_usd' | 'topped_up_usd'>): number =>
  budget.limit_usd + budget.topped_up_usd

export const nameOf = (budget: Budget): string => budget.workflow_name ?? 'Whole workspace'

/** The zone of whoever looks. */
export const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

/** How full a budget is, for its bar: shares of what may be spent, in percent, that never leave the bar. */
export function shares(spent: number, reserved: number, limit: number): { spent: number; reserved: number } {
  if (limit <= 0) return { spent: 100, reserved: 0 }
  const first = Math.min(100, (spent / limit) * 100)
  return { spent: first, reserved: Math.min(100 - first, (reserved / limit) * 100) }
}

export type Tone = 'success' | 'waiting' | 'failed'

/** From four fifths on it is worth a look. */
export function toneOf(spent: number, reserved: number, limit: number): Tone {
  if (spent >= limit) return 'failed'
  return spent + reserved >= limit * 0.8 ? 'waiting' : 'success'
}
