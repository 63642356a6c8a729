import { describe, expect, test } from 'vitest'

import type { Graph } from '../api/types'

import { copyText, pasteText } from './clipboard'
import * as g from './graph'
import { layered } from './layout'

/** "a>b b.true>c" makes nodes a, b, c and the edges between them. */
function graph(text: string): Graph {
  const edges = text.split(' ').map((part) => {
    const [from = '', target = ''] = part.split('>')
    const [source = '', port] = from.split('.')
    return port ? { source, port, target } : { source, target }
  })
  const names = [...new Set(edges.flatMap((edge) => [edge.source, edge.target]))]
  return { nodes: names.map((id) => ({ id, type: 'set', position: { x: 0, y: 0 }, params: {} })), edges }
}

const show = (value: Graph) =>
  value.edges.map((edge) => `${edge.source}${edge.port ? `.${edge.port}` : ''}>${edge.target}`).join(' ')

describe('connect', () => {
  test('adds an edge', () =>
    expect(show(g.connect(graph('a>b c>d'), { source: 'b', target: 'c' }))).toBe('a>b c>d b>c'))

  test.each([
    ['itself', { source: 'a', target: 'a' }],
    ['a double', { source: 'a', target: 'b' }],
    ['a circle', { source: 'c', target: 'a' }],
  ])('refuses %s and leaves the document untouched', (_, edge) => {
    const before = graph('a>b b>c')
    expect(g.connect(before, edge)).toBe(before)
    expect(g.refuseConnection(before, edge)).toMatch(/\.$/)
  })

  test('another port of the same node is another edge', () =>
    expect(show(g.connect(graph('a.true>b'), { source: 'a', port: 'false', target: 'b' }))).toBe('a.true>b a.false>b'))
})

test('a node put on an edge stands between its ends, and the port stays with the source', () => {
  const before = graph('a.true>b c>d')
  const key = g.edgeKey(before.edges[0]!)
  expect(show(g.insertOnEdge(before, key, 'x', undefined))).toBe('c>d a.true>x x>b')
  expect(g.insertOnEdge(before, key, 'a', undefined)).toBe(before)
})

test('removing a node takes its edges along; removing nothing changes nothing', () => {
  const before = graph('a>b b>c')
  const after = g.remove(before, new Set(['b']), new Set())
  expect([after.nodes.length, after.edges.length]).toEqual([2, 0])
  expect(g.remove(before, new Set(['zz']), new Set())).toBe(before)
})

test('ids are made from the type and never taken twice', () => {
  expect(g.freshId(new Set(), 'http.request')).toBe('http_request')
  expect(g.freshId(new Set(['http_request', 'http_request_2']), 'http.request')).toBe('http_request_3')
  expect(g.freshId(new Set(), 'trigger.manual')).toBe('manual')
})

test('a new step is called after its type, the second with its number', () => {
  const wish = { type: 'http.request', title: 'HTTP request', position: { x: 1, y: 2 } }
  const first = g.addNode(g.emptyGraph, wish)
  const second = g.addNode(first.graph, wish)
  expect(second.graph.nodes.map((node) => [node.id, node.name])).toEqual([
    ['http_request', 'HTTP request'],
    ['http_request_2', 'HTTP request 2'],
  ])
})

test('renaming an id rewrites edges and templates, and only whole names', () => {
  const before = graph('a>b')
  before.nodes[1]!.params = {
    value: '{{ steps.a.output }} {{ steps.ab.output }}',
    deep: [{ x: '{{steps.a.output.y}}' }],
  }
  const after = g.renameId(before, 'a', 'fetch')
  expect(show(after)).toBe('fetch>b')
  expect(after.nodes[1]?.params).toEqual({
    value: '{{ steps.fetch.output }} {{ steps.ab.output }}',
    deep: [{ x: '{{steps.fetch.output.y}}' }],
  })
  expect(g.renameId(before, 'a', 'b')).toBe(before)
  expect(g.renameId(before, 'a', 'not an id')).toBe(before)
})

test('moving a node to where it stands is no change', () => {
  const before = graph('a>b')
  expect(g.move(before, new Map([['a', { x: 0, y: 0 }]]))).toBe(before)
  expect(g.move(before, new Map([['a', { x: 8, y: 0 }]])).nodes[0]?.position).toEqual({ x: 8, y: 0 })
})

describe('clipboard', () => {
  test('what is copied comes back with fresh ids and its wiring', () => {
    const before = graph('a>b b>c')
    before.nodes[1]!.params = { value: '{{ steps.a.output }}' }
    const pasted = pasteText(before, copyText(before, new Set(['a', 'b'])), { x: 40, y: 40 })
    expect(pasted?.ids).toEqual(['a_2', 'b_2'])
    expect(show(pasted!.graph)).toBe('a>b b>c a_2>b_2')
    expect(pasted?.graph.nodes.at(-1)).toMatchObject({
      params: { value: '{{ steps.a_2.output }}' },
      position: { x: 40, y: 40 },
    })
  })

  test.each(['', 'hello', '{"nodes": 3}', '{"nodes":[{"id":1}]}', '{"nodes":[]}', '[1]'])('%j is not a graph', (text) =>
    expect(pasteText(graph('a>b'), text, { x: 0, y: 0 })).toBeNull(),
  )
})

describe('layout', () => {
  test('edges point right and nothing overlaps', () => {
    const value = graph('a>b a>c b>d c>d a>d')
    const places = layered(value)
    for (const edge of value.edges) expect(places.get(edge.source)!.x).toBeLessThan(places.get(edge.target)!.x)
    expect(new Set([...places.values()].map((p) => `${p.x},${p.y}`)).size).toBe(4)
  })

  test('ten thousand nodes take well under a second, and a circle does not hang', () => {
    const nodes = Array.from({ length: 10_000 }, (_, n) => ({ id: `n${n}`, type: 'set' }))
    const edges = nodes.slice(1).map((node, n) => ({ source: `n${Math.floor(n / 3)}`, target: node.id }))
    expect(layered({ nodes, edges }).size).toBe(10_000)
    expect(layered(graph('a>b b>a')).size).toBe(2)
  })
})
