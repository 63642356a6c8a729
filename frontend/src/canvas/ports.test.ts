import { expect, test } from 'vitest'

import type { Graph, JsonObject, NodeType } from '../api/types'

import { exitsOf, lostPorts, namedPorts, setParams } from './ports'

const type = { ports: ['default'], ports_from: 'cases' } as unknown as NodeType
const cases = (...ports: string[]): JsonObject => ({ value: 1, cases: ports.map((port) => ({ equals: port, port })) })

const graph: Graph = {
  nodes: [
    { id: 's', type: 'switch', params: cases('high', 'low') },
    { id: 'a', type: 'set' },
  ],
  edges: [
    { source: 's', port: 'high', target: 'a' },
    { source: 's', port: 'low', target: 'a' },
    { source: 's', port: 'default', target: 'a' },
    { source: 's', port: 'error', target: 'a' },
  ],
}
const after = (params: JsonObject) => setParams(graph, 's', params, type).edges.map((edge) => edge.port)

test('a step has the exits of its type and those that its parameters name', () => {
  const node = graph.nodes[0]!
  expect(exitsOf(node, type, ['error', 'old'])).toEqual(['high', 'low', 'default', 'old'])
  expect(lostPorts(node, type, ['error', 'old', 'low'])).toEqual(['old'])
  expect(namedPorts({ cases: [{ port: 'x' }, {}, 3, null, { port: 4 }] }, 'cases')).toEqual(['x', '', '', '', ''])
  expect(namedPorts({ cases: '{{ steps.a.output }}' }, 'cases')).toEqual([])
})

test('connections follow an exit that is renamed', () =>
  expect(after(cases('urgent', 'low'))).toEqual(['urgent', 'low', 'default', 'error']))

test('cases that change places keep their connections', () =>
  expect(after(cases('low', 'high'))).toEqual(['high', 'low', 'default', 'error']))

test('connections go with the exit that is taken away, and only those', () =>
  expect(after(cases('low'))).toEqual(['low', 'default', 'error']))

test('an exit that two cases share stays until both are gone', () => {
  const shared = setParams(graph, 's', cases('low', 'low', 'high'), type)
  expect(setParams(shared, 's', cases('low', 'high'), type).edges).toHaveLength(4)
})

test.each<[string, JsonObject]>([
  ['another parameter', { ...cases('high', 'low'), value: 2 }],
  ['an exit without a name yet', cases('high', '')],
  ['one more case', cases('high', 'low', 'new')],
  ['an expression in place of the list', { cases: '{{ trigger }}' }],
])('%s takes no connection', (_, params) => expect(after(params)).toHaveLength(4))
