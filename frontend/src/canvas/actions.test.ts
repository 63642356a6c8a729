import { beforeEach, expect, test, vi } from 'vitest'

import { actions, handleKeys, keysOf, type Action, type Surroundings } from './actions'
import { change, openDocument, select, useEditor } from './store'

const around: Surroundings = {
  save: vi.fn(),
  run: vi.fn(),
  fit: vi.fn(),
  find: vi.fn(),
  enter: vi.fn(),
  leave: vi.fn(),
  focusPalette: vi.fn(),
  showKeys: vi.fn(),
}
const press = (key: string, more: KeyboardEventInit = {}, on: HTMLElement = document.body) => {
  const event = new KeyboardEvent('keydown', { key, ...more })
  Object.defineProperty(event, 'target', { value: on })
  return handleKeys(event, around)
}

beforeEach(() => {
  vi.clearAllMocks()
  openDocument('wf_1', 1, { nodes: [{ id: 'a', type: 'set', position: { x: 0, y: 0 } }], edges: [] }, null)
})

test('no two actions share their keys', () => {
  const keys = Object.values<Action>(actions).flatMap((action) => action.keys)
  expect(new Set(keys).size).toBe(keys.length)
})

test('keys are read alike on every keyboard', () => {
  expect(keysOf(new KeyboardEvent('keydown', { key: 'Z', ctrlKey: true, shiftKey: true }))).toBe('mod+shift+z')
  expect(keysOf(new KeyboardEvent('keydown', { key: 's', metaKey: true }))).toBe('mod+s')
  expect(keysOf(new KeyboardEvent('keydown', { key: '?', shiftKey: true }))).toBe('?')
})

test('delete takes the selection away and undo brings it back', () => {
  press('Delete')
  expect(useEditor.getState().history.present.nodes).toHaveLength(1)
  select(['a'])
  press('Delete')
  expect(useEditor.getState().history.present.nodes).toHaveLength(0)
  expect(actions.undo.label(useEditor.getState())).toBe('Undo delete step')
  press('z', { ctrlKey: true })
  expect(useEditor.getState().history.present.nodes).toHaveLength(1)
})

test('while a text is typed only saving and its like are heard', () => {
  const field = document.createElement('input')
  select(['a'])
  expect(press('Delete', {}, field)).toBe(false)
  expect(useEditor.getState().history.present.nodes).toHaveLength(1)
  change('Rename', (graph) => ({ ...graph, nodes: [] }))
  expect(press('s', { ctrlKey: true }, field)).toBe(true)
  expect(around.save).toHaveBeenCalledOnce()
})

test('what cannot be done now is swallowed, not done', () => {
  expect(press('s', { ctrlKey: true })).toBe(true)
  expect(around.save).not.toHaveBeenCalled()
})
