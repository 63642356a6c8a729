import { useThrottledValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'

import { runCan } from '../../api/can'
import { runQuery, stepsQuery } from '../../api/queries'
import type { Run, StepRow } from '../../api/types'
import { isWaiting, mergeRows, toSteps, type RunView, type StepView } from '../../runs/fold'
import { useLiveRun, type LiveRun } from '../../runs/stream'

export type Watched = {
  run: Run
  rows: StepRow[]
  steps: StepView[]
  view: RunView
  connection: LiveRun['connection']
  active: boolean
  /** Changes when the run has news. */
  moment: string
}

const noRows: StepRow[] = []

/** A run as events tell it, with the values that only the stored rows hold, read again as facts arrive. */
export function useRun(first: Run): Watched {
  const { view, connection } = useLiveRun(first.id)
  const changes = useThrottledValue(view.changes, 600)
  const ended = view.status !== null && !runCan.progress(view.status)
  // Keyed by what has happened: each new fact asks again, and the answer before stays on screen meanwhile.
  const fresh = { placeholderData: keepPreviousData, gcTime: 0 }
  const rows = useQuery({ ...stepsQuery(first.id, `${changes} ${ended}`), ...fresh })
  const told = `${view.status} ${view.cancelling} ${view.paused}`
  const stored = useQuery({ ...runQuery(first.id, told), ...fresh })
  const run = stored.data ?? first
  const steps = useMemo(() => toSteps(mergeRows(view, rows.data ?? noRows)), [view, rows.data])
  const known = runCan.progress(run.status) ? (view.status ?? run.status) : run.status
  const status = known === 'running' && isWaiting(steps) ? 'waiting' : known
  return {
    run: { ...run, status, error: run.error ?? view.error },
    rows: rows.data ?? noRows,
    steps,
    view,
    connection,
    active: runCan.progress(status),
    moment: `${told} ${changes}`,
  }
}
