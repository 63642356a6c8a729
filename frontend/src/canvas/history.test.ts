import { expect, test } from 'vitest'

import { begin, record, redo, redoLabel, undo, undoLabel } from './history'

test('undo and redo walk the same way back and forth, with names', () => {
  const history = record(record(begin('a'), 'b', 'Add step'), 'c', 'Move step')
  expect(undoLabel(history)).toBe('Move step')
  const back = undo(history)
  expect([back.present, undoLabel(back), redoLabel(back)]).toEqual(['b', 'Add step', 'Move step'])
  expect(undo(back).present).toBe('a')
  expect(undo(undo(back)).present).toBe('a')
  expect(redo(undo(history)).present).toBe('c')
  expect(undoLabel(redo(undo(history)))).toBe('Move step')
})

test('typing into one field is one entry, another field is another', () => {
  let history = begin('')
  for (const text of ['h', 'he', 'hey']) history = record(history, text, 'Change url', 'url')
  history = record(history, 'hey!', 'Change body', 'body')
  expect(history.past).toHaveLength(2)
  expect(undo(undo(history)).present).toBe('')
})

test('after an undo, typing on starts a new entry and drops the redo', () => {
  const history = record(undo(record(begin('a'), 'b', 'Change', 'k')), 'c', 'Change', 'k')
  expect([history.present, history.past.length, history.future.length]).toEqual(['c', 1, 0])
})

test('a change to the same value is none, and the past is bounded', () => {
  let history = begin(0)
  expect(record(history, 0, 'Nothing')).toBe(history)
  for (let n = 1; n <= 500; n += 1) history = record(history, n, 'Count')
  expect(history.past).toHaveLength(200)
})
