import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'

import { errorText } from '../../api/client'
import { childrenQuery } from '../../api/runQueries'
import type { RunSummary } from '../../api/types'
import { countsOf } from '../../runs/items'
import { Notice } from '../../ui/Notice'
import { ShowMore } from '../../ui/ShowMore'
import { StateBadge } from '../../ui/StateBadge'
import { formatDuration } from '../../util/time'

export type ItemsProps = {
  runId: string
  nodeId: string
  /** Each attempt has runs of its own. */
  attempt: number
  /** How many items there are in all, when that is known; those that have not begun have no run yet. */
  total: number | null
  live: boolean
  now: number
}

/** The runs that a step started, one for each item, in the order of the items. */
export function Items({ runId, nodeId, attempt, total, live, now }: ItemsProps) {
  const list = useInfiniteQuery(childrenQuery(runId, nodeId, live))
  const all = list.data?.pages.flatMap((page) => page.items) ?? []
  const items = all.filter((item) => item.parent?.attempt === attempt)
  if (list.error) return <Notice>{errorText(list.error)}</Notice>
  if (list.data && !items.length)
    return <p className="panel-none">{live ? 'No item has begun yet.' : 'There was no item.'}</p>
  const unseen = list.hasNextPage ? null : total === null ? 0 : Math.max(0, total - items.length)
  return (
    <div className="items">
      <p className="items-counts" role="status">
        {countsOf(items).map(([status, count]) => (
          <span key={status} className="items-count num">
            {count} <StateBadge state={status} />
          </span>
        ))}
        {unseen !== null && unseen > 0 && <span className="dim num">{unseen} not begun</span>}
        {list.hasNextPage && (
          <span className="dim">
            of the first {items.length}
            {total !== null && ` of ${total}`}
          </span>
        )}
      </p>
      <table className="items-table">
        <thead className="unseen">
          <tr>
            <th>Item</th>
            <th>Status</th>
            <th>Error</th>
            <th>Took</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <Item key={item.id} item={item} now={now} />
          ))}
        </tbody>
      </table>
      <div className="items-more">
        <ShowMore list={list} />
      </div>
    </div>
  )
}

function Item({ item, now }: { item: RunSummary; now: number }) {
  const navigate = useNavigate()
  const to = { to: '/runs/$id', params: { id: item.id }, search: {} } as const
  return (
    <tr onClick={() => void navigate(to)}>
      <td className="num">
        <Link {...to} onClick={(event) => event.stopPropagation()}>
          {item.parent?.index ?? 0}
        </Link>
      </td>
      <td>
        <StateBadge state={item.status} />
      </td>
      <td className="items-error">{item.error?.message}</td>
      <td className="num dim nowrap">{tookOf(item, now)}</td>
    </tr>
  )
}

function tookOf({ started_at: from, finished_at: to }: RunSummary, now: number): string {
  if (!from) return ''
  return formatDuration((to ? Date.parse(to) : now) - Date.parse(from))
}
