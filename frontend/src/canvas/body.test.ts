import { beforeEach, describe, expect, test } from 'vitest'

import type { Graph, GraphNode, Json, NodeType } from '../api/types'

import * as b from './body'
import { addNode, emptyGraph, patchNode } from './graph'
import {
  change,
  changeDocument,
  currentDocument,
  currentGraph,
  enter,
  goTo,
  openDocument,
  redo,
  undo,
  useEditor,
} from './store'

const node = (id: string, more: Partial<GraphNode> = {}): GraphNode => ({
  id,
  type: 'set',
  position: { x: 0, y: 0 },
  ...more,
})
const held = (graph: Graph) => ({ body: graph as unknown as Json, items: '{{ trigger }}' })
const inner: Graph = { nodes: [node('deep')], edges: [] }
const body: Graph = { nodes: [node('inner'), node('again', { type: 'map', params: held(inner) })], edges: [] }
const document: Graph = { nodes: [node('a'), node('each', { type: 'map', params: held(body) })], edges: [] }
const each = { id: 'each', param: 'body' }
const again = { id: 'again', param: 'body' }
const typeOf = (type: string) => (type === 'map' ? ({ body: 'body' } as NodeType) : undefined)

describe('a graph inside a step', () => {
  test('is found by the way there, and is the same object each time', () => {
    expect(b.graphAt(document, [each, again])).toBe(b.graphAt(document, [each, again]))
    expect(b.graphAt(document, [each])?.nodes.map(({ id }) => id)).toEqual(['inner', 'again'])
    expect(b.graphAt(document, [{ id: 'gone', param: 'body' }])).toBeNull()
  })

  test('is edited as a part of the document, and what lies beside it stays the same object', () => {
    const after = b.editAt(document, [each, again], (graph) => patchNode(graph, 'deep', { name: 'New' }))
    expect(b.graphAt(after, [each, again])?.nodes[0]?.name).toBe('New')
    expect(after.nodes[0]).toBe(document.nodes[0])
    expect(Object.keys(after.nodes[1]?.params ?? {})).toEqual(['body', 'items'])
    expect(b.editAt(document, [each], (graph) => graph)).toBe(document)
    expect(b.editAt(document, [{ id: 'gone', param: 'body' }], () => emptyGraph)).toBe(document)
  })

  test.each<[string, Json | undefined]>([
    ['nothing', undefined],
    ['text', '{{ trigger }}'],
    ['a list', []],
    ['no graph', { nodes: 3 }],
  ])('that is %s is empty, and can be begun', (_, value) => {
    const bare = { ...document, nodes: [node('each', { params: value === undefined ? {} : { body: value } })] }
    expect(b.graphAt(bare, [each])).toBe(emptyGraph)
    const after = b.editAt(bare, [each], (graph) => addNode(graph, { type: 'set', position: { x: 0, y: 0 } }).graph)
    expect(b.graphAt(after, [each])?.nodes.map(({ id }) => id)).toEqual(['set'])
  })

  test('whose steps have no places gets them', () => {
    const placeless: Graph = { nodes: [{ id: 'x', type: 'set' }], edges: [] }
    const value = { nodes: [node('each', { params: { body: placeless as unknown as Json } })], edges: [] }
    expect(b.graphAt(value, [each])?.nodes[0]?.position).toBeDefined()
  })
})

test('a problem that names a nested step leads there', () => {
  expect(b.wayTo(document, 'each/again/deep', typeOf)).toEqual({ where: [each, again], id: 'deep' })
  expect(b.wayTo(document, 'a', typeOf)).toEqual({ where: [], id: 'a' })
  expect(b.wayTo(document, 'a/b', typeOf)).toEqual({ where: [], id: 'a' })
})

test('problems are shown where they are, and further out at the step that holds them', () => {
  const problem = (node_id: string | null) => ({ code: 'X', node_id, field: 'params.value', message: 'No.' })
  const all = [problem('a'), problem('each/inner'), problem('each/again/deep'), problem(null)]
  expect(b.problemsAt(all, []).map((one) => [one.node_id, one.field, one.message])).toEqual([
    ['a', 'params.value', 'No.'],
    ['each', null, 'Inside, at `inner`: No.'],
    ['each', null, 'Inside, at `again/deep`: No.'],
  ])
  expect(b.problemsAt(all, [each]).map((one) => [one.node_id, one.field])).toEqual([
    ['inner', 'params.value'],
    ['again', null],
  ])
})

test('the steps around are known, so that none inside is called like one of them', () => {
  expect([...b.idsAround(document, [each, again])]).toEqual(['a', 'each', 'inner', 'again'])
  expect([...b.idsAround(document, [])]).toEqual([])
})

describe('the history', () => {
  beforeEach(() => openDocument('wf_1', 1, document, null))

  test('undo and redo go to where the change was made', () => {
    enter(each)
    change('Rename step', (graph) => patchNode(graph, 'inner', { name: 'Mine' }))
    expect(currentGraph().nodes[0]?.name).toBe('Mine')
    goTo([])
    undo()
    expect(useEditor.getState().where).toEqual([each])
    expect(currentDocument()).toBe(useEditor.getState().saved)
    goTo([])
    redo()
    expect(currentGraph().nodes[0]?.name).toBe('Mine')
  })

  test('undoing the step that is open shows what is around it', () => {
    change('Add step', (graph) => ({ ...graph, nodes: [...graph.nodes, node('second', { type: 'map' })] }))
    enter({ id: 'second', param: 'body' })
    expect(currentGraph().nodes).toEqual([])
    undo()
    expect(useEditor.getState().where).toEqual([])
  })

  test('what belongs to the document is changed from inside, too', () => {
    enter(each)
    changeDocument('Change settings', (graph) => ({ ...graph, settings: { timeout_s: 5 } }))
    expect(currentDocument().settings).toEqual({ timeout_s: 5 })
    expect(useEditor.getState().where).toEqual([each])
  })

  test('typing into fields of the same name in two graphs is two changes', () => {
    change('Rename', (graph) => patchNode(graph, 'a', { name: 'x' }), 'inner name')
    enter(each)
    change('Rename', (graph) => patchNode(graph, 'inner', { name: 'x' }), 'inner name')
    expect(useEditor.getState().history.past).toHaveLength(2)
  })
})
