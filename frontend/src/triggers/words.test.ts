import { expect, test } from 'vitest'

import type { DeliverySummary, Trigger } from '../api/types'

import {
  deliveryState,
  deliveryStatuses,
  isHeldByPause,
  kindOfNode,
  lateness,
  reasonOf,
  stateOf,
  zoneOf,
} from './words'

const delivery = (status: DeliverySummary['status'], reason: string | null = null, slot: string | null = null) => ({
  status,
  reason,
  slot,
})

test('a trigger is paused only while it would answer', () => {
  const state = (status: Trigger['status'], paused_at: string | null) => stateOf({ status, paused_at })
  expect(state('active', null)).toBe('active')
  expect(state('active', '2026-11-20T10:00:00Z')).toBe('paused')
  expect(state('stopped', '2026-11-20T10:00:00Z')).toBe('stopped')
  expect(state('draft', null)).toBe('draft')
})

test('a schedule that is behind is late at first, and has missed its slot after a minute', () => {
  const at = '2026-11-20T10:00:00Z'
  const after = (seconds: number, late = true) => lateness({ late, next_fire_at: at }, Date.parse(at) + seconds * 1000)
  expect(after(30)).toBe('late')
  expect(after(61)).toBe('missed')
  expect(after(61, false)).toBeNull()
  expect(lateness({ late: true, next_fire_at: null }, 0)).toBeNull()
})

test('a slot that nobody was there to fire was missed; one that was left out for another reason was skipped', () => {
  const slot = '2026-11-20T10:00:00.000Z'
  expect(deliveryState(delivery('skipped', 'missed: no server was running', slot))).toBe('missed')
  expect(deliveryState(delivery('skipped', 'the run of an earlier slot is still under way: run_1', slot))).toBe(
    'skipped',
  )
  expect(deliveryState(delivery('skipped', 'missed the bus'))).toBe('skipped')
})

test('reasons are sentences, and what needs one has one', () => {
  expect(reasonOf(delivery('refused', 'the trigger does not take this method'))).toBe(
    'The trigger does not take this method.',
  )
  expect(reasonOf(delivery('skipped', 'missed: no server was running (this and 3 more)', 'x'))).toBe(
    'No server was running (this and 3 more)',
  )
  expect(reasonOf(delivery('duplicate'))).toBe('The same came before.')
  expect(reasonOf(delivery('started'))).toBe('')
})

test('resuming decides about what the pause held back, and not about a fork', () => {
  expect(isHeldByPause(delivery('held', 'the trigger is paused'))).toBe(true)
  expect(isHeldByPause(delivery('held', 'the pull request comes from a fork: an editor has to let it go'))).toBe(false)
  expect(isHeldByPause(delivery('skipped', 'the trigger is paused'))).toBe(false)
})

test('kinds are known by their nodes, zones by their parameters', () => {
  expect(kindOfNode('trigger.github')).toBe('github')
  expect(kindOfNode('trigger.manual')).toBeUndefined()
  expect(kindOfNode('webhook')).toBeUndefined()
  expect([zoneOf({}), zoneOf({ timezone: ' ' }), zoneOf({ timezone: 'Asia/Tokyo' })]).toEqual([
    'UTC',
    'UTC',
    'Asia/Tokyo',
  ])
  expect(deliveryStatuses('schedule')).not.toContain('refused')
  expect(deliveryStatuses('webhook')).toContain('held')
})
