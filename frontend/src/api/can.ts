import type { Profile, Run, RunStatus } from './types'

// Mirrors the server's run states (engine/core/src/state.rs): what may be asked of a run in which state.
const active: Record<RunStatus, boolean> = {
  pending: true,
  running: true,
  waiting: true,
  completed: false,
  failed: false,
  cancelled: false,
}

export const runCan = {
  progress: (status: RunStatus): boolean => active[status],
  pause: (run: Pick<Run, 'status' | 'paused_at' | 'cancel_requested_at'>): boolean =>
    active[run.status] && !run.paused_at && !run.cancel_requested_at,
  resume: (run: Pick<Run, 'status' | 'paused_at'>): boolean => active[run.status] && Boolean(run.paused_at),
  /** A run that is an item of another is made again with that one. */
  rerun: (run: Pick<Run, 'status' | 'parent'>): boolean => !active[run.status] && !run.parent,
  cancel: (run: Pick<Run, 'status' | 'cancel_requested_at'>): boolean => active[run.status] && !run.cancel_requested_at,
}

/** Budgets are the owners' business. */
export const mayBudget = (profile: Profile | undefined): boolean => profile?.role === 'owner'

/** Whoever may only look sees everything and changes nothing. */
export const mayEdit = (profile: Profile | undefined): boolean => profile !== undefined && profile.role !== 'viewer'
