import { Select } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'

import { errorText } from '../../api/client'
import { deliveriesQuery } from '../../api/triggerQueries'
import type { DeliverySummary, Trigger } from '../../api/types'
import { DeliveryBadge, deliveryWord } from '../../triggers/badges'
import { deliveryStatuses, reasonOf, zoneOf } from '../../triggers/words'
import { formatBytes } from '../../ui/LargeValue'
import { Notice } from '../../ui/Notice'
import { useNow } from '../../ui/now'
import { Prose } from '../../ui/Prose'
import { ShowMore } from '../../ui/ShowMore'
import { formatAgo, formatFull, formatInZone, hasSeconds } from '../../util/time'

type Props = { trigger: Trigger; onOpen: (id: string) => void }

/** What came to a trigger, newest first; for a schedule, the ledger of its fires. */
export function Deliveries({ trigger, onOpen }: Props) {
  const { status } = useSearch({ from: '/inside/triggers/$id' })
  const navigate = useNavigate({ from: '/triggers/$id' })
  const list = useInfiniteQuery(deliveriesQuery({ trigger_id: trigger.id, ...(status && { status }) }))
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const isSchedule = trigger.kind === 'schedule'
  return (
    <>
      <div className="list-head">
        <h2 className="grow">{isSchedule ? 'Fires' : 'Deliveries'}</h2>
        <Select
          aria-label="Status"
          placeholder="Any status"
          clearable
          w={160}
          data={deliveryStatuses(trigger.kind).map((value) => ({ value, label: deliveryWord(value) }))}
          value={status ?? null}
          onChange={(value) =>
            void navigate({
              search: (old) => ({ ...old, status: deliveryStatuses(trigger.kind).find((one) => one === value) }),
              replace: true,
            })
          }
        />
      </div>
      {list.error && <Notice>{errorText(list.error)}</Notice>}
      {list.data && items.length === 0 && <Nothing isSchedule={isSchedule} filtered={status !== undefined} />}
      {items.length > 0 && <Table items={items} trigger={trigger} onOpen={onOpen} />}
      <ShowMore list={list} />
    </>
  )
}

function Table({ items, trigger, onOpen }: Props & { items: DeliverySummary[] }) {
  const now = useNow(true)
  const isSchedule = trigger.kind === 'schedule'
  const seconds = items.some(({ slot }) => slot && hasSeconds(slot))
  const nameOf = ({ slot, delivery_id, id }: DeliverySummary) =>
    slot ? formatInZone(slot, zoneOf(trigger.params), seconds) : (delivery_id ?? `…${id.slice(-8)}`)
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Status</th>
          <th>{isSchedule ? 'Slot' : 'Delivery'}</th>
          {!isSchedule && <th className="wide-only">Size</th>}
          <th className="wide-only">Run</th>
          <th className={isSchedule ? 'wide-only' : undefined}>{isSchedule ? 'Decided' : 'Came'}</th>
        </tr>
      </thead>
      <tbody>
        {items.map((one) => (
          <tr key={one.id} onClick={() => onOpen(one.id)} data-delivery={one.id}>
            <td>
              <DeliveryBadge delivery={one} />
            </td>
            <td className="main">
              <Link
                from="/triggers/$id"
                to="."
                search={(old) => ({ ...old, delivery: one.id })}
                onClick={(event) => event.stopPropagation()}
                className={isSchedule ? 'delivery-link is-slot' : 'delivery-link'}
              >
                {nameOf(one)}
              </Link>
              {one.is_test && <span className="chip">test</span>}{' '}
              {one.replay_of && <span className="chip">replay</span>}{' '}
              <span className="dim" title={reasonOf(one)}>
                <Prose text={reasonOf(one)} />
              </span>
            </td>
            {!isSchedule && <td className="num dim wide-only">{formatBytes(one.body_size)}</td>}
            <td className="wide-only" onClick={(event) => event.stopPropagation()}>
              {one.run_id && (
                <Link to="/runs/$id" params={{ id: one.run_id }} search={{}}>
                  Run
                </Link>
              )}
            </td>
            <td className={isSchedule ? 'dim wide-only' : 'dim'} title={formatFull(one.received_at)}>
              {formatAgo(one.received_at, now)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Nothing({ isSchedule, filtered }: { isSchedule: boolean; filtered: boolean }) {
  const empty = isSchedule
    ? 'Each slot that comes is written down here, with what became of it.'
    : 'Each request that comes is written down here before it is answered, with what became of it.'
  return (
    <div className="empty">
      <h3 className="card-title">{filtered ? 'Nothing matches' : isSchedule ? 'No fires yet' : 'Nothing came yet'}</h3>
      <p className="dim">{filtered ? 'None has this status.' : empty}</p>
    </div>
  )
}
