import type { Reason } from '../api/types'
import { formatUsd } from '../util/money'
import { formatDuration, formatFull, millis } from '../util/time'

/** Why a run stands where it stands, as a sentence; `nodeId` is the step that it speaks of. */
export type Sentence = { text: string; tone: 'running' | 'waiting' | 'failed' | 'idle'; nodeId: string | null }

/** Longer than this a worker does not stay silent while it is well. */
const silence = 15_000

export function sentenceOf(reason: Reason, now: number, nameOf: (nodeId: string) => string): Sentence {
  const nodeId = 'node_id' in reason ? reason.node_id : null
  const said = (text: string, tone: Sentence['tone'] = 'waiting'): Sentence => ({ text, tone, nodeId })
  switch (reason.kind) {
    case 'owned':
      return said(ownedText(reason.worker, reason.heartbeat_age_ms), 'running')
    case 'queued':
      return said(`Waiting for a worker: ${placeOf(reason.position)}.`)
    case 'blocked':
      return said(
        `Waiting for its turn: ${limitOf(reason.limit, 'run')}${keyOf(reason.key)}, ${placeOf(reason.position)}.`,
      )
    case 'timer':
      return said(`Waiting until ${formatFull(reason.until)}${left(reason.until, now)}.`)
    case 'approval':
      return said(`${nameOf(reason.node_id)} waits for an approval${byWhom(reason.approvers)}.`)
    case 'signal':
      return said(`${nameOf(reason.node_id)} waits for the signal “${reason.name}”.`)
    case 'children': {
      const done = reason.total - reason.open
      return said(`${nameOf(reason.node_id)} waits for its items: ${done} of ${reason.total} have ended.`)
    }
    case 'funds':
      return said(`${nameOf(reason.node_id)} waits for money. ${shortageText(reason, now)}`)
    case 'resolutions':
      return said(
        `${nameOf(reason.node_id)} waits for ${reason.open === 1 ? 'an answer to a conflict' : `answers to ${reason.open} conflicts`}.`,
      )
    case 'paused':
      return said(`Paused since ${formatFull(reason.since)}: no step begins until it is resumed.`)
    case 'step_lease':
      return reason.worker === null
        ? said(`${nameOf(reason.node_id)} waits for a worker with a free place.`)
        : said(`${nameOf(reason.node_id)} is being done by ${reason.worker}.`, 'running')
    case 'step_blocked':
      return said(
        `${nameOf(reason.node_id)} waits for its turn: ${limitOf(reason.limit, 'step')}${keyOf(reason.key)}, ${placeOf(reason.position)}.`,
      )
    case 'inbox':
      return said('News has come for it; a worker is about to take it up.', 'running')
    case 'recovering':
      return said('Its worker was lost; another is taking it up where it stood.')
    case 'finished':
      return said('It has ended.', 'idle')
    case 'none':
      return said(`Nothing moves this run, which should not happen. ${reason.message}`.trim(), 'failed')
    default:
      // A server that knows more reasons than this page says them itself.
      return { text: (reason as Reason).message, tone: 'waiting', nodeId: null }
  }
}

function ownedText(worker: string, age: number): string {
  const silent = age > silence ? `, silent for ${formatDuration(age)}` : ''
  return `A worker is on it: ${worker}${silent}.`
}

type Shortage = {
  budget: string
  scope: string
  limit_usd: number
  spent_usd: number
  reserved_usd: number
  resets_at: string | null
}

/** Which budget is used up, by how much, and what ends that. */
export function shortageText(of: Shortage, now: number): string {
  const aside = of.reserved_usd > 0 ? ` and ${formatUsd(of.reserved_usd)} set aside` : ''
  const used = `The budget of the ${of.scope.replaceAll('`', '“').replace(/“([^“]*)“/g, '“$1”')} is used up: ${formatUsd(of.spent_usd)} spent${aside} of ${formatUsd(of.limit_usd)}.`
  const own = of.budget === 'run' || of.budget === 'step'
  if (own) return `${used} An editor may add to it.`
  const anew = of.resets_at ? `It begins anew ${formatFull(of.resets_at)}${left(of.resets_at, now)}; an` : 'An'
  return `${used} ${anew} owner may add to it.`
}

const placeOf = (position: number): string => (position <= 1 ? 'it is next' : `${position - 1} before it`)

const limitOf = (limit: number, what: string): string => `at most ${limit} ${what}${limit === 1 ? '' : 's'} at a time`

const keyOf = (key: string): string => (key === '' ? '' : ` for “${key}”`)

const byWhom = (approvers: string[]): string => (approvers.length ? ` by ${approvers.join(' or ')}` : '')

function left(until: string, now: number): string {
  const at = millis(until)
  return at === null || at <= now ? '' : `, ${formatDuration(at - now)} to go`
}
