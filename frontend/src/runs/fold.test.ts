import { expect, test } from 'vitest'

import type { RunEvent, RunEventKind, StepRow } from '../api/types'

import { emptyRun, foldEvents, isWaiting, mergeRows, toSteps, type RunView } from './fold'

const at = (seq: number) => `2026-01-01T00:00:${String(seq).padStart(2, '0')}.000Z`

/** A script of "kind node attempt" lines, numbered from 1. */
function script(text: string, from = 1): RunEvent[] {
  return text
    .trim()
    .split('\n')
    .map((line, index) => {
      const [kind, node, attempt] = line.trim().split(' ')
      const seq = from + index
      return {
        seq,
        run_id: 'run_1',
        kind: kind as RunEventKind,
        node_id: node,
        attempt: Number(attempt ?? 1),
        at: at(seq),
      }
    })
}

const summary = (view: RunView) => [...view.attempts.values()].map((a) => `${a.nodeId}#${a.attempt} ${a.status}`)

const story = `
  run_started
  step_started a
  step_succeeded a
  step_started b 1
  step_retrying b 1
  step_started b 2
  step_failed b 2
  step_skipped c
  run_finished`

test('a run is the fold of its events', () => {
  const view = foldEvents(emptyRun, script(story))
  expect(summary(view)).toEqual(['a#1 completed', 'b#1 failed', 'b#2 failed', 'c#1 skipped'])
  expect(view).toMatchObject({ seq: 9, status: 'completed' })
})

test('replaying in pieces, with doubles, gives the same view', () => {
  const events = script(story)
  const pieces = foldEvents(foldEvents(emptyRun, events.slice(0, 5)), events.slice(3))
  expect(pieces).toEqual(foldEvents(emptyRun, events))
})

test('an attempt that will be retried is failed and says when the next begins', () => {
  const [retry] = script('step_retrying b 1', 4)
  const view = foldEvents(emptyRun, [{ ...retry!, retry_at: at(9), error: { code: 'NETWORK_ERROR', message: 'no' } }])
  const attempt = [...view.attempts.values()][0]
  expect(attempt).toMatchObject({ status: 'failed', willRetry: true, wakeAt: Date.parse(at(9)) })
  expect(attempt?.error?.code).toBe('NETWORK_ERROR')
})

test('log lines are kept in order and change no step', () => {
  const view = foldEvents(emptyRun, script('step_started a\nstep_log a\nstep_log a'))
  expect(view.logs.map((line) => line.seq)).toEqual([2, 3])
  expect(view.changes).toBe(1)
})

const row = (node_id: string, status: StepRow['status']): StepRow => ({
  node_id,
  item: '',
  attempt: 1,
  status,
  input: null,
  output: null,
  error: null,
  port: null,
  started_at: at(1),
  finished_at: null,
  wake_at: null,
  retry_count: 0,
  effect_key: '',
  awaiting: null,
  kept: false,
})

test('a finished row wins over events, an unfinished one does not', () => {
  const view = foldEvents(emptyRun, script('step_started a\nstep_succeeded a\nstep_started b'))
  const merged = mergeRows(view, [row('a', 'running'), row('b', 'failed'), row('c', 'running')])
  expect(merged.map((a) => `${a.nodeId} ${a.status}`)).toEqual(['a completed', 'b failed', 'c running'])
})

test('steps come in the order in which they began, those that never ran last', () => {
  const view = foldEvents(
    emptyRun,
    script('step_skipped z\nstep_started a\nstep_retrying a\nstep_started b\nstep_started a 2'),
  )
  const steps = toSteps(mergeRows(view, []))
  expect(steps.map((step) => `${step.key}:${step.attempts.length}`)).toEqual(['a:2', 'b:1', 'z:1'])
  expect(steps[0]?.last.attempt).toBe(2)
})

test('what was kept took no time and comes first; a pause is told from what waits', () => {
  const [started, kept, waiting] = script('step_started b\nstep_succeeded a\nstep_waiting b')
  const told = [started!, { ...kept!, kept: true }, { ...waiting!, awaiting: { kind: 'signal' as const, name: 'go' } }]
  const view = foldEvents(emptyRun, [...told, ...script('run_paused', 4)])
  const steps = toSteps(mergeRows(view, [{ ...row('a', 'completed'), started_at: null, kept: true }]))
  expect(steps.map(({ key, last }) => [key, last.kept, last.startedAt, last.awaiting?.kind])).toEqual([
    ['a', true, null, undefined],
    ['b', false, Date.parse(at(1)), 'signal'],
  ])
  expect(view.paused).toBe(true)
  expect(foldEvents(view, script('run_resumed', 5)).paused).toBe(false)
})

test('a run waits when all that is under way stands still until a time', () => {
  const after = (text: string) => isWaiting(toSteps(mergeRows(foldEvents(emptyRun, script(text)), [])))
  expect(after('step_started a\nstep_succeeded a')).toBe(false)
  expect(after('step_started a\nstep_waiting a')).toBe(true)
  expect(after('step_started a\nstep_retrying a')).toBe(true)
  expect(after('step_started a\nstep_waiting a\nstep_started b')).toBe(false)
  expect(after('step_started a\nstep_retrying a\nstep_started a 2')).toBe(false)
})
