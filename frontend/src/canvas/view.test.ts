import { expect, test } from 'vitest'

import type { Graph, NodeType } from '../api/types'

import { move, patchNode } from './graph'
import { cardHeight, handlesOf } from './ports'
import { createCards, toLines, type Catalog } from './view'

const type = (name: string, ports: string[], trigger = false): [string, NodeType] => [
  name,
  {
    type: name,
    title: name,
    description: '',
    group: 'data',
    icon: '',
    ports,
    ports_from: null,
    body: null,
    responds: false,
    pure: true,
    lane: 'inline',
    trigger,
    params_schema: {},
    output_schema: {},
  },
]
const catalog: Catalog = new Map([
  type('start', ['out'], true),
  type('set', ['out']),
  type('choose', ['true', 'false']),
])
const none = { nodes: new Set<string>(), edges: new Set<string>() }

const graph: Graph = {
  nodes: [
    { id: 'a', type: 'start', position: { x: 0, y: 0 } },
    { id: 'b', type: 'choose', position: { x: 300, y: 0 } },
    { id: 'c', type: 'set', position: { x: 600, y: 0 } },
  ],
  edges: [
    { source: 'a', target: 'b' },
    { source: 'b', port: 'false', target: 'c' },
    { source: 'b', port: 'error', target: 'c' },
    { source: 'b', target: 'gone' },
  ],
}

test('a card is drawn anew only when something of its own changed', () => {
  const cards = createCards(catalog)
  const before = cards(graph, none, null)
  const after = cards(patchNode(graph, 'b', { name: 'New' }), { ...none, nodes: new Set(['c']) }, null)
  expect(after.map((card, index) => card === before[index])).toEqual([true, false, false])
  const moved = cards(move(graph, new Map([['a', { x: 4, y: 0 }]])), none, null)
  expect(moved[0]).toMatchObject({ position: { x: 4, y: 0 } })
})

test('a drag moves a card before the document knows of it', () => {
  expect(createCards(catalog)(graph, none, new Map([['a', { x: 9, y: 9 }]]))[0]?.position).toEqual({ x: 9, y: 9 })
})

test('lines name their port where there is a choice, and need both their ends', () => {
  const lines = toLines(graph, catalog, new Set())
  expect(lines.map((line) => [line.source, line.sourceHandle, line.data?.label])).toEqual([
    ['a', 'out', null],
    ['b', 'false', 'false'],
    ['b', 'error', 'error'],
  ])
})

test('triggers have no entry, everything has an error exit, and many exits make a card taller', () => {
  expect(handlesOf(['out'], true).map((handle) => handle.id)).toEqual(['out', 'error'])
  expect(handlesOf(['true', 'false'], false).map((handle) => handle.id)).toEqual(['in', 'true', 'false', 'error'])
  expect([cardHeight(['out']), cardHeight(['a', 'b', 'c', 'd', 'e'])]).toEqual([72, 126])
})
