import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconBan, IconPencil, IconPlayerPlayFilled } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'

import { runCan } from '../../api/can'
import { errorText } from '../../api/client'
import type { Connection } from '../../api/events'
import { cancelRun, startRun } from '../../api/queries'
import type { Run } from '../../api/types'
import { StateBadge } from '../../ui/StateBadge'
import { pages } from '../../util/paths'
import { randomKey } from '../../util/random'
import { formatDuration, formatFull } from '../../util/time'

type Props = { run: Run; connection: Connection; cancelling: boolean; now: number }

const words: Partial<Record<Connection, string>> = {
  lost: 'Connection lost, trying again…',
  refused: 'Not live: reload to see news',
}

export function RunBar({ run, connection, cancelling, now }: Props) {
  const cancel = useMutation({
    mutationFn: () => cancelRun(run.id),
    onError: (error) => notifications.show({ color: 'red', title: 'Not cancelled', message: errorText(error) }),
  })
  const asked = cancelling || cancel.isSuccess || Boolean(run.cancel_requested_at)
  const took = run.started_at
    ? formatDuration((run.finished_at ? Date.parse(run.finished_at) : now) - Date.parse(run.started_at))
    : null
  return (
    <header className="bar">
      <Link to={pages.runs} className="crumb wide-only">
        Runs
      </Link>
      <span className="dim wide-only">/</span>
      <h1 className="bar-title clip">{run.workflow_name}</h1>
      <span className="chip wide-only">v{run.version}</span>
      <span data-testid="run-status">
        <StateBadge state={run.status} />
      </span>
      {took && <span className="num dim nowrap">{took}</span>}
      <span className="dim wide-only clip" title={run.id}>
        {formatFull(run.started_at ?? run.created_at)}, {run.trigger}
      </span>
      {words[connection] && <span className="save-state is-dirty">{words[connection]}</span>}
      <span className="grow" />
      {runCan.progress(run.status) && (
        <Button
          variant="default"
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
      {!runCan.progress(run.status) && <RunAgain run={run} />}
    </header>
  )
}

/** The same version with the same input, as a run of its own. */
function RunAgain({ run }: { run: Run }) {
  const navigate = useNavigate()
  const [key] = useState(randomKey)
  const again = useMutation({
    mutationFn: () => startRun(run.workflow_id, { input: run.input, version: run.version }, key),
    onSuccess: ({ id }) => navigate({ to: '/runs/$id', params: { id }, search: {} }),
    onError: (error) => notifications.show({ color: 'red', title: 'Not started', message: errorText(error) }),
  })
  return (
    <Button
      className="icon-on-phone"
      aria-label="Run again"
      leftSection={<IconPlayerPlayFilled size={14} />}
      loading={again.isPending}
      onClick={() => again.mutate()}
    >
      Run again
    </Button>
  )
}
