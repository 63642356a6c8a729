import { Anchor } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'

import type { Delivery, Trigger } from '../../api/types'
import { reasonOf, zoneOf } from '../../triggers/words'
import { formatBytes } from '../../ui/LargeValue'
import { Prose } from '../../ui/Prose'
import { formatFull, formatInZone } from '../../util/time'

type Props = { delivery: Delivery; trigger: Trigger; onOpen: (id: string) => void }

/** What is known of a delivery beside what came. */
export function DeliveryFacts({ delivery, trigger, onOpen }: Props) {
  const { slot, run_id, duplicate_of, replay_of, version, body_size } = delivery
  const other = (id: string) => (
    <Anchor component="button" type="button" inherit className="mono" onClick={() => onOpen(id)}>
      {id}
    </Anchor>
  )
  const zone = zoneOf(trigger.params)
  const reason = reasonOf(delivery)
  const facts: [string, ReactNode][] = [
    ['Why', delivery.status !== 'held' && reason && <Prose text={reason} />],
    [
      'Run',
      run_id && (
        <Link to="/runs/$id" params={{ id: run_id }} search={{}} className="mono">
          {run_id}
        </Link>
      ),
    ],
    ['Slot', slot && `${formatInZone(slot, zone)} ${zone}`],
    ['Duplicate of', duplicate_of && other(duplicate_of)],
    ['Replay of', replay_of && other(replay_of)],
    ['Called by its sender', delivery.delivery_id && <span className="mono">{delivery.delivery_id}</span>],
    [slot ? 'Looked at' : 'Came', formatFull(delivery.received_at)],
    ['Decided', formatFull(delivery.decided_at)],
    ['From', delivery.remote_addr],
    ['Size', !slot && formatBytes(body_size)],
    ['Version', version !== null && `v${version}${delivery.is_test ? ', by the test address' : ''}`],
    ['Runs above it', delivery.depth > 0 && delivery.depth],
  ]
  return (
    <dl className="facts">
      {facts.map(
        ([name, value]) =>
          Boolean(value) && (
            <div key={name} className="fact">
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  )
}
