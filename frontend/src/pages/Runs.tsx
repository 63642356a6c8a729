import { Button, Select } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'

import { runCan } from '../api/can'
import { errorText } from '../api/client'
import { runsQuery, type RunFilter } from '../api/queries'
import type { RunStatus, RunSummary } from '../api/types'
import { StartedBy } from '../triggers/StartedBy'
import { Notice } from '../ui/Notice'
import { useNow } from '../ui/now'
import { ShowMore } from '../ui/ShowMore'
import { StateBadge, stateWord } from '../ui/StateBadge'
import { pages } from '../util/paths'
import { formatAgo, formatDuration, formatFull } from '../util/time'

import { PriorityChip } from './run/PriorityChip'

const statuses: RunStatus[] = ['running', 'waiting', 'pending', 'completed', 'failed', 'cancelled']

export function Runs() {
  const search = useSearch({ from: '/inside/runs' })
  const navigate = useNavigate({ from: '/runs' })
  const list = useInfiniteQuery(runsQuery(search))
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <main className="page">
      <title>Runs · FlowForge</title>
      <div className="list">
        <div className="list-inner">
          <h1>Runs</h1>
          <div className="list-head">
            <Select
              aria-label="Status"
              placeholder="Any status"
              clearable
              w={160}
              data={statuses.map((value) => ({ value, label: stateWord(value) }))}
              value={search.status ?? null}
              onChange={(value) =>
                void navigate({ search: (old) => ({ ...old, status: statuses.find((one) => one === value) }) })
              }
            />
            {search.workflow_id && (
              <Button
                variant="default"
                onClick={() => void navigate({ search: (old) => ({ ...old, workflow_id: undefined }) })}
              >
                Only {items[0]?.workflow_name ?? 'one workflow'}: show all
              </Button>
            )}
          </div>
          {list.error && <Notice>{errorText(list.error)}</Notice>}
          {list.data && items.length === 0 && <NoRuns search={search} />}
          {items.length > 0 && <RunTable items={items} />}
          <ShowMore list={list} />
        </div>
      </div>
    </main>
  )
}

function RunTable({ items }: { items: RunSummary[] }) {
  const navigate = useNavigate()
  const now = useNow(true)
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Status</th>
          <th>Workflow</th>
          <th className="wide-only">Version</th>
          <th className="wide-only">Started by</th>
          <th className="wide-only">Took</th>
          <th>Started</th>
        </tr>
      </thead>
      <tbody>
        {items.map((run) => (
          <tr key={run.id} onClick={() => void navigate({ to: '/runs/$id', params: { id: run.id } })}>
            <td>
              <StateBadge state={run.paused_at && runCan.progress(run.status) ? 'paused' : run.status} />
            </td>
            <td className="main">
              <Link to="/runs/$id" params={{ id: run.id }} onClick={(event) => event.stopPropagation()}>
                {run.workflow_name}
              </Link>{' '}
              <PriorityChip priority={run.priority} />
              {run.error && <span className="dim"> {run.error.message}</span>}
            </td>
            <td className="num dim wide-only">v{run.version}</td>
            <td className="dim wide-only" onClick={(event) => run.delivery_id && event.stopPropagation()}>
              <StartedBy run={run} />
            </td>
            <td className="num dim wide-only">{tookOf(run, now)}</td>
            <td className="dim" title={formatFull(run.created_at)}>
              {formatAgo(run.created_at, now)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function tookOf(run: RunSummary, now: number): string {
  if (!run.started_at) return ''
  return formatDuration((run.finished_at ? Date.parse(run.finished_at) : now) - Date.parse(run.started_at))
}

function NoRuns({ search }: { search: RunFilter }) {
  const filtered = Boolean(search.status ?? search.workflow_id)
  return (
    <div className="empty">
      <h2>{filtered ? 'Nothing matches' : 'No runs yet'}</h2>
      <p className="dim">{filtered ? 'No run has this status and workflow.' : 'Open a workflow and press Run.'}</p>
      <Link to={filtered ? pages.runs : pages.workflows} search={{}}>
        {filtered ? 'Show all runs' : 'Go to the workflows'}
      </Link>
    </div>
  )
}
