import { expect, test } from 'vitest'

import type { Reason } from '../api/types'

import { sentenceOf } from './why'

const now = Date.parse('2026-01-01T12:00:00Z')
type Said = { kind: string } & Record<string, unknown>
const say = (reason: Said) =>
  sentenceOf({ message: 'as the server says', ...reason } as Reason, now, (id) => `Step ${id}`)

test.each<[RegExp, Said]>([
  [/^A worker is on it: w-1\.$/, { kind: 'owned', worker: 'w-1', heartbeat_age_ms: 900 }],
  [/silent for 20 s/, { kind: 'owned', worker: 'w-1', heartbeat_age_ms: 20_000 }],
  [/it is next/, { kind: 'queued', position: 1 }],
  [/at most 1 run at a time for “acme”, 2 before it/, { kind: 'blocked', key: 'acme', limit: 1, position: 3 }],
  [/at most 2 runs at a time, it is next/, { kind: 'blocked', key: '', limit: 2, position: 1 }],
  [/1 m 00 s to go/, { kind: 'timer', until: '2026-01-01T12:01:00Z' }],
  [
    /Step ok waits for an approval by admin or a@b\.c\.$/,
    { kind: 'approval', node_id: 'ok', approvers: ['admin', 'a@b.c'] },
  ],
  [/Step ok waits for an approval\.$/, { kind: 'approval', node_id: 'ok', approvers: [] }],
  [/signal “paid”/, { kind: 'signal', node_id: 's', name: 'paid' }],
  [/7 of 10 have ended/, { kind: 'children', node_id: 'each', open: 3, total: 10 }],
  [
    /^Step ai waits for money\. The budget of the workflow “nightly”, today is used up: \$0\.80 spent and \$0\.30 set aside of \$1\.00\. It begins anew .*an owner may add to it\.$/,
    {
      kind: 'funds',
      node_id: 'ai',
      budget: '0198',
      scope: 'workflow `nightly`, today',
      limit_usd: 1,
      spent_usd: 0.8,
      reserved_usd: 0.3,
      resets_at: '2026-01-02T00:00:00Z',
    },
  ],
  [
    /The budget of the run is used up: \$0\.0012 spent of \$0\.001\. An editor may add to it\.$/,
    {
      kind: 'funds',
      node_id: 'ai',
      budget: 'run',
      scope: 'run',
      limit_usd: 0.001,
      spent_usd: 0.0012,
      reserved_usd: 0,
      resets_at: null,
    },
  ],
  [/Paused since/, { kind: 'paused', since: '2026-01-01T11:00:00Z' }],
  [/waits for a worker/, { kind: 'step_lease', node_id: 'b', worker: null }],
  [/being done by w-2/, { kind: 'step_lease', node_id: 'b', worker: 'w-2' }],
  [/at most 1 step at a time/, { kind: 'step_blocked', node_id: 'b', key: '', limit: 1, position: 1 }],
  [/should not happen\. as the server says/, { kind: 'none' }],
  [/^as the server says$/, { kind: 'something new' }],
])('%s', (sentence, reason) => expect(say(reason).text).toMatch(sentence))

test('a sentence about a step leads to it, one about the run does not', () => {
  expect(say({ kind: 'signal', node_id: 's', name: 'x' }).nodeId).toBe('s')
  expect(say({ kind: 'inbox' }).nodeId).toBeNull()
  expect(say({ kind: 'none' }).tone).toBe('failed')
})
