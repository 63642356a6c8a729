import { ActionIcon, CopyButton, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'

import type { LastDelivery, Trigger } from '../../api/types'
import { DeliveryBadge, KindLabel, LateBadge, TriggerBadge } from '../../triggers/badges'
import { lateness, reasonOf, stateOf, zoneOf } from '../../triggers/words'
import { useNow } from '../../ui/now'
import { Prose } from '../../ui/Prose'
import { formatAgo, formatFull, formatInZone, formatUntil } from '../../util/time'

import { TriggerMenu } from './TriggerMenu'
import './triggers.css'

export function TriggerTable({ items }: { items: Trigger[] }) {
  const navigate = useNavigate()
  const now = useNow(true)
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Workflow</th>
          <th>Kind</th>
          <th>Status</th>
          <th className="wide-only">Address or next fire</th>
          <th className="wide-only">Last delivery</th>
          <th>
            <span className="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((trigger) => (
          <tr key={trigger.id} onClick={() => void navigate({ to: '/triggers/$id', params: { id: trigger.id } })}>
            <td className="main">
              <Link
                to="/triggers/$id"
                params={{ id: trigger.id }}
                search={{}}
                onClick={(event) => event.stopPropagation()}
              >
                {trigger.workflow_name}
              </Link>{' '}
              <span className="dim">{trigger.node_name}</span>
            </td>
            <td className="trigger-kind">
              <KindLabel kind={trigger.kind} />
            </td>
            <td>
              <TriggerBadge state={stateOf(trigger)} /> <Held trigger={trigger} />
            </td>
            <td className="wide-only" onClick={(event) => event.stopPropagation()}>
              {trigger.kind === 'schedule' ? (
                <NextFire trigger={trigger} now={now} />
              ) : (
                <ShortAddress url={trigger.status === 'active' ? trigger.url : trigger.test_url} />
              )}
            </td>
            <td className="wide-only last-delivery">
              {trigger.last_delivery ? (
                <Last trigger={trigger.id} delivery={trigger.last_delivery} now={now} />
              ) : (
                <span className="dim">never</span>
              )}
            </td>
            <td className="row-menu" onClick={(event) => event.stopPropagation()}>
              <TriggerMenu trigger={trigger} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** How much waits there for a person; leads to it. */
function Held({ trigger }: { trigger: Trigger }) {
  if (!trigger.held) return null
  return (
    <Link
      to="/triggers/$id"
      params={{ id: trigger.id }}
      search={{ status: 'held' }}
      onClick={(event) => event.stopPropagation()}
      className="chip"
      title="Deliveries that are held back"
    >
      {trigger.held} held
    </Link>
  )
}

/** What came last, and why it began no run when it did not. */
function Last({ trigger, delivery, now }: { trigger: string; delivery: LastDelivery; now: number }) {
  const reason = delivery.status === 'started' ? '' : reasonOf(delivery)
  return (
    <Link
      to="/triggers/$id"
      params={{ id: trigger }}
      search={{ delivery: delivery.id }}
      onClick={(event) => event.stopPropagation()}
      title={reason || formatFull(delivery.received_at)}
    >
      <DeliveryBadge delivery={delivery} /> <span className="dim">{formatAgo(delivery.received_at, now)}</span>
      {reason && (
        <span className="dim last-reason">
          <Prose text={reason} />
        </span>
      )}
    </Link>
  )
}

/** When a schedule fires next, on its own clock, or that it should have by now. */
export function NextFire({ trigger, now }: { trigger: Trigger; now: number }) {
  const state = stateOf(trigger)
  if (state !== 'active' || !trigger.next_fire_at) {
    return <span className="dim">{state === 'paused' ? 'not while paused' : 'none'}</span>
  }
  const zone = zoneOf(trigger.params)
  const late = lateness(trigger, now)
  return (
    <span className="next-fire" title={`${formatFull(trigger.next_fire_at)} on your clock`}>
      <span className="num">{formatInZone(trigger.next_fire_at, zone)}</span>
      <span className="dim">{zone}</span>
      {late ? <LateBadge state={late} /> : <span className="dim">{formatUntil(trigger.next_fire_at, now)}</span>}
    </span>
  )
}

/** The end of an address tells one from another; the whole of it is copied. */
function ShortAddress({ url }: { url: string | null }) {
  if (!url) return <span className="dim">for editors only</span>
  const path = url.replace(/^https?:\/\/[^/]*/, '')
  return (
    <span className="short-address">
      <code className="clip" title={url}>
        {path.length > 26 ? `${path.slice(0, 18)}…${path.endsWith('/test') ? '/test' : path.slice(-4)}` : path}
      </code>
      <CopyButton value={url}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? 'Copied' : 'Copy the address'}>
            <ActionIcon size={24} aria-label="Copy the address" onClick={copy}>
              {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </span>
  )
}
