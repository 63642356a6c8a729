import { createParser } from 'eventsource-parser'

import { endpoints } from '../util/paths'

import { authedFetch } from './session'
import type { RunEvent } from './types'

export type Connection = 'connecting' | 'live' | 'lost' | 'ended' | 'refused'

type Watch = {
  signal: AbortSignal
  onEvents: (events: RunEvent[]) => void
  onConnection: (state: Connection) => void
  /** Injected by tests; the page waits with real time. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

const firstWait = 500
const longestWait = 15_000

/**
 * Follows a run until it has finished. A dropped connection is taken up again after the last event that was
 * handed over, so every event arrives exactly once and in order.
 */
export async function watchRun(id: string, { signal, onEvents, onConnection, wait = pause }: Watch): Promise<void> {
  let cursor = 0
  let delay = firstWait
  onConnection('connecting')
  while (!signal.aborted) {
    const outcome = await readOnce(id, cursor, signal, (events) => {
      const fresh = events.filter((event) => event.seq > cursor)
      cursor = fresh.at(-1)?.seq ?? cursor
      delay = firstWait
      onConnection('live')
      if (fresh.length) onEvents(fresh)
      return fresh.some((event) => event.kind === 'run_finished')
    })
    if (signal.aborted) return
    if (outcome !== 'dropped') return onConnection(outcome)
    onConnection('lost')
    await wait(delay * (0.75 + Math.random() / 2), signal)
    delay = Math.min(delay * 2, longestWait)
  }
}

type Outcome = 'ended' | 'refused' | 'dropped'

async function readOnce(
  id: string,
  cursor: number,
  signal: AbortSignal,
  deliver: (events: RunEvent[]) => boolean,
): Promise<Outcome> {
  try {
    const answer = await open(id, cursor, signal)
    // A refusal will not change by asking again; anything else may.
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return 'refused'
    if (!answer.ok || !answer.body) return 'dropped'
    let batch: RunEvent[] = []
    const parser = createParser({ onEvent: (frame) => batch.push(JSON.parse(frame.data) as RunEvent) })
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    deliver([])
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      parser.feed(chunk.value)
      if (!batch.length) continue
      const events = batch
      batch = []
      if (deliver(events)) {
        void reader.cancel()
        return 'ended'
      }
    }
    return 'dropped'
  } catch {
    return 'dropped'
  }
}

function open(id: string, cursor: number, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (cursor > 0) headers['Last-Event-ID'] = String(cursor)
  return authedFetch(new Request(new URL(endpoints.events(id), location.origin), { headers, signal }))
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}
