import { expect, test } from 'vitest'

import type { Graph } from '../api/types'

import { compare, describe } from './compare'

const base: Graph = {
  nodes: [
    { id: 'a', type: 'set', name: 'First', position: { x: 0, y: 0 }, params: { value: 1 } },
    { id: 'b', type: 'set' },
  ],
  edges: [{ source: 'a', target: 'b' }],
}

test('moving a step is no difference', () => {
  const moved = { ...base, nodes: base.nodes.map((node) => ({ ...node, position: { x: 9, y: 9 } })) }
  expect(describe(compare(base, moved))).toEqual(['Only positions differ'])
})

test('steps are named, connections are counted', () => {
  const other: Graph = {
    nodes: [
      { ...base.nodes[0]!, params: { value: 2 } },
      { id: 'c', type: 'set' },
    ],
    edges: [],
  }
  expect(describe(compare(base, other))).toEqual(['Added c', 'Removed b', 'Changed First', '1 connection differs'])
})
