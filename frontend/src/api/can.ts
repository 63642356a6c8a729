import type { Run, RunStatus } from './types'

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
  cancel: (run: Pick<Run, 'status' | 'cancel_requested_at'>): boolean => active[run.status] && !run.cancel_requested_at,
}
