import { IconCheck, IconGitMerge } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { errorText } from '../../../api/client'
import { conflictsQuery } from '../../../api/runQueries'
import type { Conflict } from '../../../api/types'
import { Loading } from '../../../ui/Loading'
import { Notice } from '../../../ui/Notice'

import { ConflictDialog } from './ConflictDialog'
import { byText, kindText, refusalOf, takenOf } from './words'
import './conflicts.css'

type Props = { runId: string; nodeId: string; live: boolean }

/** The files that a rebase could not bring together by itself, and what became of each. */
export function Conflicts({ runId, nodeId, live }: Props) {
  const { data, error } = useQuery(conflictsQuery(runId, live))
  const [shown, setShown] = useState<string | null>(null)
  if (error) return <Notice>{errorText(error)}</Notice>
  if (!data) return <Loading />
  const conflicts = data.items.filter((one) => one.node_id === nodeId)
  if (!conflicts.length) return <p className="panel-none">{live ? 'No conflict so far.' : 'There was no conflict.'}</p>
  const open = conflicts.filter((one) => !one.resolved).length
  const chosen = conflicts.find((one) => one.id === shown)
  return (
    <div className="conflicts">
      <p className="dim num" role="status">
        {conflicts.length - open} of {conflicts.length} resolved
      </p>
      <ul className="conflict-list">
        {conflicts.map((one) => (
          <li key={one.id}>
            <Row conflict={one} onOpen={() => setShown(one.id)} />
          </li>
        ))}
      </ul>
      {chosen && (
        <ConflictDialog key={chosen.id} runId={runId} conflict={chosen} live={live} onClose={() => setShown(null)} />
      )}
    </div>
  )
}

function Row({ conflict, onOpen }: { conflict: Conflict; onOpen: () => void }) {
  const taken = takenOf(conflict)
  const last = conflict.resolutions.at(-1)
  const Sign = taken ? IconCheck : IconGitMerge
  return (
    <button type="button" className="conflict-row" data-tone={taken ? 'success' : 'waiting'} onClick={onOpen}>
      <Sign size={15} aria-hidden />
      <span className="conflict-what">
        <span className="conflict-path mono">{conflict.path}</span>
        <span className="dim">
          {kindText(conflict.kind)} · <span className="mono">{conflict.commit.slice(0, 8)}</span>
        </span>
        {taken && <span>{byText(taken)}</span>}
        {!taken && last && (
          <span>
            Not taken from {byText(last)}: {refusalOf(last)}
          </span>
        )}
      </span>
      <span className="conflict-state">{taken ? 'Resolved' : 'Open'}</span>
    </button>
  )
}
