import type { ClockChange, DeliverySummary, JsonObject, StartedBy, Trigger, TriggerKind } from '../api/types'

// How triggers and what came to them are told to a person.

export const kinds: TriggerKind[] = ['webhook', 'github', 'schedule']

export const kindWords: Record<TriggerKind, string> = { webhook: 'Webhook', github: 'GitHub', schedule: 'Schedule' }

/** The names by which icons are known, as the node types have them. */
export const kindIcons: Record<TriggerKind, string> = {
  webhook: 'webhook',
  github: 'brand-github',
  schedule: 'calendar-time',
}

/** The kind of trigger that a type of node is, if it is one that has a row. */
export const kindOfNode = (type: string): TriggerKind | undefined => kinds.find((kind) => type === `trigger.${kind}`)

export const startedByWords: Record<StartedBy, string> = {
  manual: 'manual',
  api: 'API',
  webhook: 'webhook',
  github: 'GitHub',
  schedule: 'schedule',
  step: 'another run',
  failure: 'a failed run',
}

export type TriggerState = Trigger['status'] | 'paused'

/** A trigger that is stopped or not published yet holds nothing back, whatever was said before. */
export const stateOf = ({ status, paused_at }: Pick<Trigger, 'status' | 'paused_at'>): TriggerState =>
  status === 'active' && paused_at ? 'paused' : status

/** What the state means for what comes. */
export const stateHelp: Record<TriggerState, string> = {
  active: 'What comes begins runs.',
  paused: 'What comes is held back until the trigger is resumed.',
  draft: 'Not published yet: only the test address answers.',
  stopped: 'No published version has it: nothing begins runs.',
}

/** The same for schedules, whose slots nobody sends. */
export const scheduleHelp: Record<TriggerState, string> = {
  active: 'It begins a run at each of its slots.',
  paused: 'It fires nothing until it is resumed.',
  draft: 'Not published yet: it fires nothing.',
  stopped: 'No published version has it: it fires nothing.',
}

/** A slot that is looked at later than this was missed, and the policy says what becomes of it. */
const onTimeMs = 60_000

export type Lateness = 'late' | 'missed' | null

/** Whether a schedule is behind: by so little that the slot still fires, or by so much that it counts as missed. */
export function lateness({ late, next_fire_at }: Pick<Trigger, 'late' | 'next_fire_at'>, now: number): Lateness {
  if (!late || !next_fire_at) return null
  return now - Date.parse(next_fire_at) > onTimeMs ? 'missed' : 'late'
}

export type DeliveryState = DeliverySummary['status'] | 'missed'

/** A slot that was skipped because nobody was there to fire it is called so. */
export const deliveryState = ({ status, slot, reason }: Pick<DeliverySummary, 'status' | 'slot' | 'reason'>) =>
  status === 'skipped' && slot && reason?.startsWith('missed') ? 'missed' : status

const ofSlots: DeliverySummary['status'][] = ['received', 'started', 'queued', 'skipped', 'failed']
const ofSenders: DeliverySummary['status'][] = [
  'received',
  'started',
  'filtered',
  'duplicate',
  'refused',
  'held',
  'skipped',
  'failed',
]

/** What may become of what comes to a kind of trigger. */
export const deliveryStatuses = (kind: TriggerKind): DeliverySummary['status'][] =>
  kind === 'schedule' ? ofSlots : ofSenders

const usual: Partial<Record<DeliverySummary['status'], string>> = {
  received: 'Its run is about to start.',
  queued: 'It waits for the run of an earlier slot.',
  duplicate: 'The same came before.',
  held: 'It waits until somebody lets it go.',
}

/** Why a delivery stands where it stands, as a sentence. Empty when there is nothing to say. */
export function reasonOf({ status, reason }: Pick<DeliverySummary, 'status' | 'reason'>): string {
  if (!reason) return usual[status] ?? ''
  const text = reason.replace(/^missed: /, '')
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?)]$/.test(text) ? '' : '.')
}

const pausedReason = 'the trigger is paused'

/** Whether resuming its trigger decides about a delivery; what is held for another reason waits on. */
export const isHeldByPause = ({ status, reason }: Pick<DeliverySummary, 'status' | 'reason'>): boolean =>
  status === 'held' && reason === pausedReason

export const clockWords: Record<ClockChange, { word: string; help: string }> = {
  gap: { word: 'moved by the clock', help: 'The clock skips the time that was asked for; it fires at the change.' },
  overlap: { word: 'shown twice', help: 'The clock shows this time twice that day.' },
  offset_changes: { word: 'clock changed', help: 'The clock was changed since the fire before.' },
}

/** The zone that a schedule's clock shows. */
export const zoneOf = (params: JsonObject): string =>
  typeof params.timezone === 'string' && params.timezone.trim() ? params.timezone.trim() : 'UTC'
