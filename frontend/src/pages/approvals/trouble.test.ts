import { expect, test } from 'vitest'

import { ApiError } from '../../api/client'
import type { Approval } from '../../api/types'

import { troubleOf } from './trouble'
import { merge } from './useRemembered'

const of = (code: string) =>
  troubleOf(new ApiError(409, code, 'as the server says.'), { approvers: ['admin', 'a@b.c'] })

test.each([
  ['approval_decided', 'waiting', /before you/],
  ['approval_changed', 'waiting', /look again/],
  ['not_an_approver', 'failed', /for admin or a@b\.c to decide/],
  ['run_finished', 'waiting', /has ended/],
  ['something_else', 'failed', /^As the server says\.$/],
])('%s is said kindly', (code, tone, text) => {
  expect(of(code).tone).toBe(tone)
  expect(of(code).text).toMatch(text)
})

test('a list keeps what has left it, in place, and shows the rest as it is now', () => {
  const approval = (node_id: string, digest = '1') => ({ run_id: 'r', node_id, attempt: 1, digest }) as Approval
  const seen = [approval('a'), approval('b')]
  const merged = merge(seen, [approval('c'), approval('b', '2')])
  expect(merged.map((one) => `${one.node_id}${one.digest}`)).toEqual(['a1', 'b2', 'c1'])
  expect(merge(seen, [])).toBe(seen)
})
