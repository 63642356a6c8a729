import { expect, test } from 'vitest'

import type { Graph, Json, NodeType } from '../api/types'

import { findSteps } from './find'
import type { Catalog } from './view'

const graph: Graph = {
  nodes: [
    { id: 'a', type: 'set', name: 'Greeting', params: { value: { text: 'Say "hello"' } } },
    { id: 'b', type: 'http.request', notes: 'Ask Ada first', params: { headers: { Accept: 'json' } } },
  ],
  edges: [],
}

test.each([
  ['GREET', ['a']],
  ['say "hello"', ['a']],
  ['accept', ['b']],
  ['ada', ['b']],
  ['http', ['b']],
  ['  ', []],
  ['nowhere', []],
])('%j finds %j', (query, ids) => expect(findSteps(graph, new Map(), query)).toEqual(ids))

test('a step inside another is found there, by the way to it', () => {
  const body: Json = { nodes: [{ id: 'inner', type: 'set', params: { value: 'needle' } }], edges: [] }
  const value: Graph = { nodes: [{ id: 'each', type: 'map', params: { body, items: 'hay' } }], edges: [] }
  const types: Catalog = new Map([['map', { body: 'body', title: 'For each' } as NodeType]])
  expect(findSteps(value, types, 'needle')).toEqual(['each/inner'])
  expect(findSteps(value, types, 'hay')).toEqual(['each'])
})
