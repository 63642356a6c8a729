import { SegmentedControl } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { triggersQuery } from '../api/triggerQueries'
import { kinds, kindWords } from '../triggers/words'
import { Notice } from '../ui/Notice'
import { ShowMore } from '../ui/ShowMore'
import { pages } from '../util/paths'

import { TriggerTable } from './triggers/TriggerTable'
import { WorkflowFilter } from './triggers/WorkflowFilter'

const choices = [{ value: 'all', label: 'All' }, ...kinds.map((kind) => ({ value: kind, label: kindWords[kind] }))]

/** Everything that begins runs by itself. */
export function Triggers() {
  const search = useSearch({ from: '/inside/triggers' })
  const navigate = useNavigate({ from: '/triggers' })
  const list = useInfiniteQuery(triggersQuery(search))
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const filtered = Boolean(search.kind ?? search.workflow_id)
  return (
    <main className="page">
      <title>Triggers · FlowForge</title>
      <div className="list">
        <div className="list-inner">
          <h1>Triggers</h1>
          <div className="list-head">
            <SegmentedControl
              size="xs"
              aria-label="Kind"
              data={choices}
              value={search.kind ?? 'all'}
              onChange={(value) =>
                void navigate({ search: (old) => ({ ...old, kind: kinds.find((kind) => kind === value) }) })
              }
            />
            <WorkflowFilter
              value={search.workflow_id}
              onChange={(workflow_id) => void navigate({ search: (old) => ({ ...old, workflow_id }) })}
            />
          </div>
          {list.error && <Notice>{errorText(list.error)}</Notice>}
          {list.data && items.length === 0 && (filtered ? <NoMatch /> : <NoTriggers />)}
          {items.length > 0 && <TriggerTable items={items} />}
          <ShowMore list={list} />
        </div>
      </div>
    </main>
  )
}

function NoTriggers() {
  return (
    <div className="empty">
      <h2>No triggers yet</h2>
      <p className="dim">
        A trigger begins runs by itself: a webhook for each request that comes, GitHub for each event, a schedule at the
        times it names. Open a workflow, drag a Webhook, a GitHub event or a Schedule onto its canvas, and publish it.
      </p>
      <Link to={pages.workflows} search={{}}>
        Go to the workflows
      </Link>
    </div>
  )
}

function NoMatch() {
  return (
    <div className="empty">
      <h2>Nothing matches</h2>
      <p className="dim">No trigger is of this kind and workflow.</p>
      <Link to={pages.triggers} search={{}}>
        Show all triggers
      </Link>
    </div>
  )
}
