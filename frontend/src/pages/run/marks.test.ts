import { expect, test } from 'vitest'

import type { Graph, NodeType, StepStatus } from '../../api/types'
import { emptyRun, mergeRows, toSteps, type Attempt, type StepView } from '../../runs/fold'

import { marksOf, stateOf, takenEdges } from './marks'

const attempt = (nodeId: string, status: StepStatus, more: Partial<Attempt> = {}): Attempt => ({
  nodeId,
  item: '',
  attempt: 1,
  status,
  port: null,
  startedAt: 0,
  finishedAt: 1200,
  wakeAt: null,
  willRetry: false,
  error: null,
  awaiting: null,
  kept: false,
  ...more,
})

const stepsOf = (...attempts: Attempt[]): StepView[] => toSteps([...mergeRows(emptyRun, []), ...attempts])

const graph: Graph = {
  nodes: ['a', 'b', 'c', 'd'].map((id) => ({ id, type: id === 'b' ? 'choose' : 'set' })),
  edges: [
    { source: 'a', target: 'b' },
    { source: 'b', port: 'true', target: 'c' },
    { source: 'b', port: 'false', target: 'd' },
    { source: 'c', port: 'error', target: 'd' },
  ],
}
const type = (ports: string[]) => ({ ports }) as NodeType
const catalog = new Map([
  ['set', type(['out'])],
  ['choose', type(['true', 'false'])],
])

const lines = (...attempts: Attempt[]) =>
  [...takenEdges(graph, stepsOf(...attempts), catalog)].map((key) => key.split('\u0000').filter(Boolean).join('.'))

test('a run has come by the ports that its steps left by', () => {
  const done = [attempt('a', 'completed', { port: 'out' }), attempt('b', 'completed', { port: 'true' })]
  expect(lines(...done)).toEqual(['a.b', 'b.true.c'])
})

test('an error port was taken only when somebody stands at its end', () => {
  const failed = attempt('c', 'failed')
  expect(lines(failed)).toEqual([])
  expect(lines(failed, attempt('d', 'running'))).toEqual(['c.error.d'])
})

test('a card tells the time, the attempt, and the first line of the trouble', () => {
  const error = { code: 'X', message: 'first line\nsecond line' }
  const steps = stepsOf(
    attempt('a', 'failed', { willRetry: true, error }),
    attempt('b', 'failed', { willRetry: true }),
    attempt('b', 'completed', { attempt: 2 }),
  )
  const marks = marksOf(graph, steps, 5000, true)
  expect(marks.get('a')).toEqual({ state: 'retrying', line: '1.2 s', error: 'first line' })
  expect(marks.get('b')).toEqual({ state: 'completed', line: '1.2 s · attempt 2', error: null })
  expect(marks.get('d')?.state).toBe('pending')
  expect(marksOf(graph, steps, 5000, false).has('d')).toBe(false)
})

test('a card that waits says how long it still will', () => {
  const waits = attempt('a', 'waiting', { finishedAt: null, wakeAt: 60_000 })
  expect(marksOf(graph, stepsOf(waits), 20_000, true).get('a')?.line).toBe('20 s · 40 s to go')
  expect(marksOf(graph, stepsOf(waits), 61_000, true).get('a')?.line).toBe('1 m 01 s')
})

test('a card that waits for its items says how many, and one that was kept says so', () => {
  const items = attempt('a', 'waiting', { finishedAt: null, awaiting: { kind: 'children', total: 3 } })
  const kept = attempt('b', 'completed', { startedAt: null, kept: true, port: 'true' })
  const marks = marksOf(graph, stepsOf(items, kept), 1000, true)
  expect(marks.get('a')).toMatchObject({ state: 'waiting', line: '3 items · 1.0 s' })
  expect(marks.get('b')).toMatchObject({ state: 'kept', line: 'from the run before' })
  expect(lines(kept)).toEqual(['b.true.c'])
})

test('of many items the one most worth looking at gives the state', () => {
  const items = ['completed', 'running', 'failed'].map((status, n) =>
    attempt('a', status as StepStatus, { item: `${n}` }),
  )
  const steps = stepsOf(...items)
  expect(steps.map(stateOf)).toEqual(['completed', 'running', 'failed'])
  expect(marksOf(graph, steps, 0, true).get('a')).toMatchObject({ state: 'running', line: '1/3 items' })
})
