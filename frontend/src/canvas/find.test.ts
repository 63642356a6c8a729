import { expect, test } from 'vitest'

import type { Graph } from '../api/types'

import { findSteps } from './find'

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
