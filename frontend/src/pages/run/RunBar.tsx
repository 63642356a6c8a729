import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconBan, IconPencil, IconPlayerPause, IconPlayerPlay, IconPlayerPlayFilled } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import { runCan } from '../../api/can'
import { errorText } from '../../api/client'
import type { Connection } from '../../api/events'
import { cancelRun } from '../../api/queries'
import { pauseRun, resumeRun } from '../../api/runQueries'
import type { Run } from '../../api/types'
import { StartedBy } from '../../triggers/StartedBy'
import { StateBadge } from '../../ui/StateBadge'
import { pages } from '../../util/paths'
import { formatDuration, formatFull } from '../../util/time'

import type { Ancestor } from './load'
import { PriorityChip } from './PriorityChip'

type Props = {
  run: Run
  /** The runs around it, outermost first. */
  ancestors: Ancestor[]
  connection: Connection
  cancelling: boolean
  now: number
  onRerun: () => void
}

const words: Partial<Record<Connection, string>> = {
  lost: 'Connection lost, trying again…',
  refused: 'Not live: reload to see news',
}

export function RunBar({ run, ancestors, connection, cancelling, now, onRerun }: Props) {
  const cancel = useMutation({
    mutationFn: () => cancelRun(run.id),
    onError: (error) => notifications.show({ color: 'red', title: 'Not cancelled', message: errorText(error) }),
  })
  const asked = cancelling || cancel.isSuccess || Boolean(run.cancel_requested_at)
  const paused = runCan.resume(run)
  const took = run.started_at
    ? formatDuration((run.finished_at ? Date.parse(run.finished_at) : now) - Date.parse(run.started_at))
    : null
  return (
    <header className={paused ? 'bar is-paused' : 'bar'}>
      <Link to={pages.runs} className="crumb wide-only">
        Runs
      </Link>
      <span className="dim wide-only">/</span>
      {ancestors.map((one) => (
        <Around key={one.run.id} ancestor={one} />
      ))}
      <h1 className="bar-title clip">{titleOf(run, ancestors)}</h1>
      <span className="chip wide-only">v{run.version}</span>
      <span data-testid="run-status">
        <StateBadge state={run.status} />
      </span>
      {paused && <StateBadge state="paused" />}
      <PriorityChip priority={run.priority} />
      {took && (
        <span className={runCan.progress(run.status) ? 'num dim nowrap run-took' : 'num dim nowrap'}>{took}</span>
      )}
      <span className="dim wide-only clip" title={run.id}>
        {formatFull(run.started_at ?? run.created_at)}, <StartedBy run={run} />
      </span>
      {run.origin_run_id && (
        <Link to="/runs/$id" params={{ id: run.origin_run_id }} search={{}} className="crumb wide-only">
          repeats an earlier run
        </Link>
      )}
      {words[connection] && <span className="save-state is-dirty">{words[connection]}</span>}
      <span className="grow" />
      <PauseButton run={run} disabled={asked} />
      {runCan.progress(run.status) && (
        <Button
          variant="default"
          className="icon-on-phone"
          aria-label={asked ? 'Cancelling' : 'Cancel'}
          leftSection={<IconBan size={15} />}
          disabled={asked || !runCan.cancel(run)}
          loading={cancel.isPending}
          onClick={() => cancel.mutate()}
        >
          {asked ? 'Cancelling' : 'Cancel'}
        </Button>
      )}
      <Button
        variant="default"
        className="icon-on-phone"
        aria-label="Edit the workflow"
        leftSection={<IconPencil size={15} />}
        renderRoot={(props) => <Link {...props} to="/workflows/$id" params={{ id: run.workflow_id }} />}
      >
        Edit
      </Button>
      {runCan.rerun(run) && (
        <Button
          className="icon-on-phone"
          aria-label="Run again"
          leftSection={<IconPlayerPlayFilled size={14} />}
          onClick={onRerun}
        >
          Run again
        </Button>
      )}
    </header>
  )
}

/** A run inside another is known by its place there; one that a step called also by its workflow. */
function titleOf(run: Run, ancestors: Ancestor[]): string {
  const around = ancestors.at(-1)
  return around && around.run.workflow_id === run.workflow_id ? `Item ${around.index}` : run.workflow_name
}

function Around({ ancestor: { run, nodeId, nodeTitle } }: { ancestor: Ancestor }) {
  const to = { to: '/runs/$id', params: { id: run.id } } as const
  return (
    <>
      {!run.parent && (
        <>
          <Link {...to} search={{}} className="crumb wide-only clip">
            {run.workflow_name}
          </Link>
          <span className="dim wide-only">/</span>
        </>
      )}
      <Link {...to} search={{ step: nodeId, tab: 'items' }} className="crumb clip">
        {nodeTitle}
      </Link>
      <span className="dim">/</span>
    </>
  )
}

function PauseButton({ run, disabled }: { run: Run; disabled: boolean }) {
  const client = useQueryClient()
  const resume = runCan.resume(run)
  const act = useMutation({
    mutationFn: () => (resume ? resumeRun(run.id) : pauseRun(run.id)),
    onSuccess: () => client.invalidateQueries({ queryKey: ['run', run.id] }),
    onError: (error) =>
      notifications.show({ color: 'red', title: resume ? 'Not resumed' : 'Not paused', message: errorText(error) }),
  })
  if (!resume && !runCan.pause(run)) return null
  const label = resume ? 'Resume' : 'Pause'
  return (
    <Button
      variant="default"
      className="icon-on-phone"
      aria-label={label}
      title={resume ? undefined : 'What is under way ends; no further step begins'}
      leftSection={resume ? <IconPlayerPlay size={15} /> : <IconPlayerPause size={15} />}
      loading={act.isPending}
      disabled={disabled}
      onClick={() => act.mutate()}
    >
      {label}
    </Button>
  )
}
