import { expect, test } from 'vitest'

import type { Conflict, ConflictSide } from '../../../api/types'

import { byText, editable, refusalOf, takenOf, takesOf, takeText } from './words'

const side = (text: string | null, mode = '100644'): ConflictSide => ({ mode, size: 1, text })

const conflict = (patch: Partial<Conflict> = {}): Conflict => ({
  id: '1',
  node_id: 'rebase',
  commit: 'abc',
  path: 'a.rs',
  kind: 'content',
  base: side('b'),
  ours: side('o'),
  theirs: side('t'),
  resolved: false,
  resolutions: [],
  created_at: '2026-01-01T00:00:00Z',
  ...patch,
})

test('a side that has no file deletes it, and that is offered once', () => {
  expect(takesOf(conflict())).toEqual(['ours', 'theirs', 'delete'])
  const deleted = conflict({ kind: 'modify_delete', ours: null })
  expect(takesOf(deleted)).toEqual(['ours', 'theirs'])
  expect(takesOf(deleted).map((take) => takeText(deleted, take))).toEqual([
    'Delete, as the target did',
    'Take the commit’s',
  ])
})

test('only text can be written anew', () => {
  expect(editable(conflict())).toBe(true)
  expect(editable(conflict({ kind: 'modify_delete', theirs: null }))).toBe(true)
  expect(editable(conflict({ kind: 'binary', ours: side(null), theirs: side(null) }))).toBe(false)
  expect(editable(conflict({ kind: 'symlink', ours: side('x', '120000'), theirs: side('y', '120000') }))).toBe(false)
})

test('the last resolution counts, and a refused one says why', () => {
  const refused = {
    method: 'model' as const,
    by: 'claude',
    prompt: null,
    take: null,
    content: 'x',
    checks: [
      { check: 'markers', passed: true, message: '' },
      { check: 'syntax', passed: false, message: 'line 3 cannot be read as Rust' },
    ],
    accepted: false,
    at: '2026-01-01T00:00:00Z',
  }
  const taken = { ...refused, method: 'person' as const, by: 'ada@example.org', checks: [], accepted: true }
  expect(refusalOf(refused)).toBe('syntax: line 3 cannot be read as Rust')
  expect(takenOf(conflict({ resolutions: [refused] }))).toBeUndefined()
  expect(takenOf(conflict({ resolved: true, resolutions: [refused, taken] }))).toBe(taken)
  expect(byText(taken)).toBe('Person: ada@example.org')
})
