import type { Awaiting, Failure, RunEvent, RunStatus, StepRow, StepStatus } from '../api/types'
import { millis } from '../util/time'

export type Attempt = {
  nodeId: string
  item: string
  attempt: number
  status: StepStatus
  /** By which port it left, once it has. */
  port: string | null
  startedAt: number | null
  finishedAt: number | null
  wakeAt: number | null
  willRetry: boolean
  error: Failure | null
  /** What it waits for besides the clock. */
  awaiting: Awaiting | null
  /** It was taken over from the run that this one repeats. */
  kept: boolean
}

export type LogLine = {
  seq: number
  nodeId: string
  item: string
  attempt: number
  stream: 'stdout' | 'stderr' | 'system'
  text: string
  at: string
}

export type RunView = {
  seq: number
  status: RunStatus | null
  error: Failure | null
  cancelling: boolean
  paused: boolean
  attempts: ReadonlyMap<string, Attempt>
  logs: readonly LogLine[]
  /** Counts the facts after which the stored steps differ, so that they are read again. */
  changes: number
}

export const emptyRun: RunView = {
  seq: 0,
  status: null,
  error: null,
  cancelling: false,
  paused: false,
  attempts: new Map(),
  logs: [],
  changes: 0,
}

export const attemptKey = (nodeId: string, item: string, attempt: number): string =>
  `${nodeId}\u0000${item}\u0000${attempt}`

/** What is known about a run after some more events: the same fold that the server replays by. */
export function foldEvents(view: RunView, events: readonly RunEvent[]): RunView {
  const attempts = new Map(view.attempts)
  const logs: LogLine[] = []
  const next = { ...view, attempts }
  for (const event of events) {
    if (event.seq <= next.seq) continue
    next.seq = event.seq
    if (event.kind === 'step_log') logs.push(toLine(event))
    else if (event.kind === 'run_started') next.status = 'running'
    else if (event.kind === 'run_cancelling') next.cancelling = true
    else if (event.kind === 'run_paused') next.paused = true
    else if (event.kind === 'run_resumed') next.paused = false
    else if (event.kind === 'run_finished') {
      next.status = event.status ?? 'completed'
      next.error = event.error ?? null
    } else foldStep(attempts, event)
    if (event.kind !== 'step_log') next.changes += 1
  }
  if (logs.length) next.logs = [...view.logs, ...logs]
  return next
}

function foldStep(attempts: Map<string, Attempt>, event: RunEvent): void {
  if (!event.node_id) return
  const item = event.item ?? ''
  const number = event.attempt ?? 1
  const key = attemptKey(event.node_id, item, number)
  const before = attempts.get(key) ?? blank(event.node_id, item, number)
  attempts.set(key, { ...before, ...change(before, event) })
}

function change(before: Attempt, event: RunEvent): Partial<Attempt> {
  const at = millis(event.at)
  switch (event.kind) {
    case 'step_started':
      return { status: 'running', startedAt: before.startedAt ?? at, wakeAt: null }
    case 'step_waiting':
      return {
        status: 'waiting',
        startedAt: before.startedAt ?? at,
        wakeAt: millis(event.wake_at),
        awaiting: event.awaiting ?? null,
      }
    case 'step_succeeded':
      return {
        status: 'completed',
        port: event.port ?? null,
        // What was kept has not been done in this run, so it took no time in it.
        startedAt: event.kept ? null : (before.startedAt ?? at),
        finishedAt: at,
        wakeAt: null,
        kept: event.kept ?? false,
      }
    case 'step_failed':
      return { status: 'failed', finishedAt: at, wakeAt: null, willRetry: false, error: event.error ?? before.error }
    case 'step_retrying':
      return { ...failed(before, event, at), willRetry: true, wakeAt: millis(event.retry_at) }
    case 'step_skipped':
      return { status: 'skipped', finishedAt: at }
    case 'step_cancelled':
      return { status: 'cancelled', finishedAt: at, wakeAt: null }
    default:
      return {}
  }
}

const failed = (before: Attempt, event: RunEvent, at: number | null): Partial<Attempt> => ({
  status: 'failed',
  finishedAt: before.finishedAt ?? at,
  error: event.error ?? before.error,
})

const blank = (nodeId: string, item: string, attempt: number): Attempt => ({
  nodeId,
  item,
  attempt,
  status: 'pending',
  port: null,
  startedAt: null,
  finishedAt: null,
  wakeAt: null,
  willRetry: false,
  error: null,
  awaiting: null,
  kept: false,
})

const toLine = (event: RunEvent): LogLine => ({
  seq: event.seq,
  nodeId: event.node_id ?? '',
  item: event.item ?? '',
  attempt: event.attempt ?? 1,
  stream: event.stream ?? 'system',
  text: event.text ?? '',
  at: event.at,
})

const final: Record<StepStatus, boolean> = {
  pending: false,
  running: false,
  waiting: false,
  completed: true,
  failed: true,
  skipped: true,
  cancelled: true,
}

/** Stored rows and live events together: a finished row is exact, an unfinished one is older than the events. */
export function mergeRows(view: RunView, rows: readonly StepRow[]): Attempt[] {
  const merged = new Map(view.attempts)
  for (const row of rows) {
    const key = attemptKey(row.node_id, row.item, row.attempt)
    if (!merged.has(key) || final[row.status]) merged.set(key, fromRow(row))
  }
  return [...merged.values()]
}

const fromRow = (row: StepRow): Attempt => ({
  nodeId: row.node_id,
  item: row.item,
  attempt: row.attempt,
  status: row.status,
  port: row.port,
  startedAt: millis(row.started_at),
  finishedAt: millis(row.finished_at),
  wakeAt: millis(row.wake_at),
  willRetry: row.status === 'failed' && row.wake_at !== null,
  error: row.error,
  awaiting: row.awaiting,
  kept: row.kept,
})

export type StepView = { key: string; nodeId: string; item: string; attempts: Attempt[]; last: Attempt }

/** One entry per step in the order in which they began; steps that never ran come last. */
export function toSteps(attempts: readonly Attempt[]): StepView[] {
  const steps = new Map<string, StepView>()
  for (const attempt of [...attempts].sort((a, b) => a.attempt - b.attempt)) {
    const key = stepKey(attempt.nodeId, attempt.item)
    const step = steps.get(key)
    if (step) step.attempts.push(attempt)
    else steps.set(key, { key, nodeId: attempt.nodeId, item: attempt.item, attempts: [attempt], last: attempt })
  }
  const list = [...steps.values()]
  for (const step of list) step.last = step.attempts.at(-1) ?? step.last
  const begin = (step: StepView) => (step.last.kept ? -1 : (step.attempts[0]?.startedAt ?? Infinity))
  return list.sort((a, b) => compare(begin(a), begin(b)) || order.compare(a.item, b.item))
}

/** A run waits, as the server counts it, when every step that is under way stands still until a time. */
export function isWaiting(steps: readonly StepView[]): boolean {
  const waits = ({ last }: StepView) => last.status === 'waiting' || last.willRetry
  return steps.some(waits) && !steps.some(({ last }) => last.status === 'running')
}

/** Items are numbers or names: 2 comes before 10. */
const order = new Intl.Collator('en', { numeric: true })

const compare = (a: number, b: number): number => (a === b ? 0 : a - b)

export const stepKey = (nodeId: string, item: string): string => (item === '' ? nodeId : `${nodeId}[${item}]`)
