import {
  IconAlertTriangle,
  IconBan,
  IconCheck,
  IconCircleDashed,
  IconClockHour4,
  IconClockX,
  IconCopy,
  IconFilter,
  IconHandStop,
  IconLoader2,
  IconMinus,
  IconPlayerPause,
  IconPlayerStop,
  IconX,
} from '@tabler/icons-react'

import type { DeliverySummary, TriggerKind } from '../api/types'
import { Badge, type Look } from '../ui/Badge'
import { NodeIcon } from '../ui/NodeIcon'

import { deliveryState, kindIcons, kindWords, type DeliveryState, type Lateness, type TriggerState } from './words'
import './triggers.css'

// Exhaustive, as the badges of runs are.
const triggers: Record<TriggerState, Look> = {
  active: { word: 'Active', icon: IconCheck, tone: 'success' },
  paused: { word: 'Paused', icon: IconPlayerPause, tone: 'waiting' },
  draft: { word: 'Draft', icon: IconCircleDashed, tone: 'idle' },
  stopped: { word: 'Stopped', icon: IconPlayerStop, tone: 'idle' },
}

const deliveries: Record<DeliveryState, Look> = {
  received: { word: 'Received', icon: IconLoader2, tone: 'running' },
  started: { word: 'Started', icon: IconCheck, tone: 'success' },
  filtered: { word: 'Filtered', icon: IconFilter, tone: 'idle' },
  duplicate: { word: 'Duplicate', icon: IconCopy, tone: 'idle' },
  refused: { word: 'Refused', icon: IconBan, tone: 'failed' },
  held: { word: 'Held', icon: IconHandStop, tone: 'waiting' },
  queued: { word: 'Queued', icon: IconClockHour4, tone: 'waiting' },
  skipped: { word: 'Skipped', icon: IconMinus, tone: 'idle' },
  missed: { word: 'Missed', icon: IconClockX, tone: 'failed' },
  failed: { word: 'Failed', icon: IconX, tone: 'failed' },
}

const behind: Record<NonNullable<Lateness>, Look> = {
  late: { word: 'Late', icon: IconAlertTriangle, tone: 'waiting' },
  missed: { word: 'Missed', icon: IconClockX, tone: 'failed' },
}

export const deliveryWord = (status: DeliverySummary['status']): string => deliveries[status].word
export const triggerWord = (state: TriggerState): string => triggers[state].word

export const TriggerBadge = ({ state }: { state: TriggerState }) => <Badge state={state} {...triggers[state]} />

export function DeliveryBadge({ delivery }: { delivery: Parameters<typeof deliveryState>[0] }) {
  const state = deliveryState(delivery)
  return <Badge state={state} {...deliveries[state]} />
}

export const LateBadge = ({ state }: { state: Lateness }) => state && <Badge state={state} {...behind[state]} />

export function KindLabel({ kind }: { kind: TriggerKind }) {
  return (
    <span className="kind">
      <NodeIcon name={kindIcons[kind]} size={16} />
      {kindWords[kind]}
    </span>
  )
}
