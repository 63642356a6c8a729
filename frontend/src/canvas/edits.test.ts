import { beforeEach, expect, test } from 'vitest'

import { addStep, clearOf } from './edits'
import { nodeById, nodeSize } from './graph'
import { currentGraph, openDocument } from './store'

beforeEach(() =>
  openDocument('wf_1', 1, { nodes: [{ id: 'a', type: 'set', position: { x: 0, y: 0 } }], edges: [] }, null),
)

const wish = { type: 'set', params: {}, onEdge: null }

test('a step that is added where another stands goes below it', () => {
  expect(clearOf(currentGraph(), { x: 500, y: 0 })).toEqual({ x: 500, y: 0 })
  const { x, y } = clearOf(currentGraph(), { x: 8, y: 8 })
  expect(x).toBe(8)
  expect(y).toBeGreaterThan(nodeSize.height)
})

test('steps that follow one another stand side by side, and those that follow the same one below each other', () => {
  const places = ['first', 'second'].map(() => {
    const id = addStep(new Map(), { ...wish, at: { x: 0, y: 0 }, after: { id: 'a', exit: null } })
    return nodeById(currentGraph(), id)?.position
  })
  expect(places[0]).toEqual({ x: nodeSize.width + 84, y: 0 })
  expect(places[1]).toEqual({ x: nodeSize.width + 84, y: nodeSize.height + 40 })
  expect(currentGraph().edges.map((edge) => edge.source)).toEqual(['a', 'a'])
})
