import { Link } from '@tanstack/react-router'

import type { RunSummary } from '../api/types'

import { startedByWords } from './words'

/** What began a run; what came to a trigger is a link to the delivery. */
export function StartedBy({ run }: { run: Pick<RunSummary, 'trigger' | 'delivery_id' | 'trigger_name'> }) {
  const word = startedByWords[run.trigger]
  if (!run.delivery_id) return word
  const name = run.trigger_name?.toLowerCase() === word.toLowerCase() ? null : run.trigger_name
  return (
    <Link to="/deliveries/$id" params={{ id: run.delivery_id }} className="crumb is-link" title="Show what came">
      {word}
      {name && ` ${name}`}
    </Link>
  )
}
