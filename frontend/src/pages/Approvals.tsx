import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { workflowQuery } from '../api/queries'
import { approvalsQuery } from '../api/runQueries'
import type { Approval } from '../api/types'
import { Notice } from '../ui/Notice'
import { useNow } from '../ui/now'
import { ShowMore } from '../ui/ShowMore'

import { ApprovalCard } from './approvals/ApprovalCard'
import { keyOf, useRemembered } from './approvals/useRemembered'

/** Everything that waits for a person's decision. */
export function Approvals() {
  const list = useInfiniteQuery(approvalsQuery)
  const now = useNow(true)
  const waiting = list.data?.pages.flatMap((page) => page.items)
  const items = useRemembered(waiting)
  const open = new Set(waiting?.map(keyOf))
  return (
    <main className="page">
      <title>Approvals · FlowForge</title>
      <div className="list">
        <div className="list-inner">
          <h1>Approvals</h1>
          {list.error && <Notice>{errorText(list.error)}</Notice>}
          {list.data && items.length === 0 && <Nothing />}
          <div className="approvals">
            {items.map((approval) => (
              <ApprovalCard
                key={keyOf(approval)}
                approval={approval}
                now={now}
                waits={open.has(keyOf(approval))}
                from={<From approval={approval} />}
              />
            ))}
          </div>
          <ShowMore list={list} />
        </div>
      </div>
    </main>
  )
}

/** Which run asks, by the name of its workflow. */
function From({ approval }: { approval: Approval }) {
  const { data } = useQuery(workflowQuery(approval.workflow_id))
  return (
    <>
      <Link to="/runs/$id" params={{ id: approval.run_id }} search={{ step: approval.node_id }}>
        {data?.name ?? 'Open the run'}
      </Link>
      {' · '}
    </>
  )
}

function Nothing() {
  return (
    <div className="empty">
      <h2>Nothing waits for you</h2>
      <p className="dim">A workflow with an approval step asks here before it goes on.</p>
    </div>
  )
}
