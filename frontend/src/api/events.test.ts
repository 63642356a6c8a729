import { afterEach, expect, test, vi } from 'vitest'

import { watchRun, type Connection } from './events'
import { setSession } from './session'
import type { RunEvent } from './types'

afterEach(() => {
  vi.unstubAllGlobals()
  setSession(null)
})

const frame = (seq: number, kind = 'step_log') =>
  `id: ${seq}\nevent: ${kind}\ndata: ${JSON.stringify({ seq, kind, run_id: 'run_1', at: '2026-01-01T00:00:00Z' })}\n\n`

/** Answers each request with the next of `answers`; the requests are kept for the assertions. */
function serve(...answers: (() => Response)[]): Request[] {
  const seen: Request[] = []
  vi.stubGlobal('fetch', (input: Request | string) => {
    seen.push(input instanceof Request ? input : new Request(new URL(input, location.origin)))
    return Promise.resolve(answers.shift()?.() ?? new Response(null, { status: 500 }))
  })
  return seen
}

const stream = (text: string) => () => new Response(text, { headers: { 'Content-Type': 'text/event-stream' } })

async function collect(): Promise<{ seqs: number[]; states: Connection[] }> {
  const seqs: number[] = []
  const states: Connection[] = []
  await watchRun('run_1', {
    signal: new AbortController().signal,
    onEvents: (events: RunEvent[]) => seqs.push(...events.map((event) => event.seq)),
    onConnection: (state) => states.push(state),
    wait: () => Promise.resolve(),
  })
  return { seqs, states }
}

test('a dropped connection resumes after the last event, without gap or double', async () => {
  const requests = serve(
    stream(frame(1) + frame(2) + 'id: 3\nevent: step_log\ndata: {"cut'),
    () => new Response(null, { status: 503 }),
    stream(': heartbeat\n\n' + frame(2) + frame(3)),
    stream(frame(4, 'run_finished')),
  )
  const { seqs, states } = await collect()
  expect(seqs).toEqual([1, 2, 3, 4])
  expect(requests.map((request) => request.headers.get('Last-Event-ID'))).toEqual([null, '2', '2', '3'])
  expect(states.at(-1)).toBe('ended')
})

test('an expired token is refreshed once and the stream goes on', async () => {
  const token = { access_token: 'fresh', token_type: 'Bearer', expires_in: 60 }
  const requests = serve(
    () => new Response(null, { status: 401 }),
    () => Response.json(token),
    stream(frame(1, 'run_finished')),
  )
  const { seqs } = await collect()
  expect(seqs).toEqual([1])
  expect(requests[2]?.headers.get('Authorization')).toBe('Bearer fresh')
})

test('a refusal is final', async () => {
  const requests = serve(() => new Response(null, { status: 404 }))
  const { states } = await collect()
  expect(requests).toHaveLength(1)
  expect(states.at(-1)).toBe('refused')
})
