import type { Graph } from '../api/types'

import { edgeKey } from './graph'

export type Difference = { added: string[]; removed: string[]; changed: string[]; edges: number }

/** What a person would say differs: steps by name, connections by number. Moving a step is no difference. */
export function compare(from: Graph, to: Graph): Difference {
  const before = new Map(from.nodes.map((node) => [node.id, node]))
  const after = new Map(to.nodes.map((node) => [node.id, node]))
  const name = (id: string) => after.get(id)?.name || before.get(id)?.name || id
  const content = (id: string, nodes: typeof before) => JSON.stringify(nodes.get(id), withoutPlaces)
  const lines = [from, to].map((graph) => new Set(graph.edges.map(edgeKey)))
  const only = (mine: number, other: number) => [...(lines[mine] ?? [])].filter((key) => !lines[other]?.has(key)).length
  return {
    added: [...after.keys()].filter((id) => !before.has(id)).map(name),
    removed: [...before.keys()].filter((id) => !after.has(id)).map(name),
    changed: [...after.keys()].filter((id) => before.has(id) && content(id, before) !== content(id, after)).map(name),
    edges: only(0, 1) + only(1, 0),
  }
}

/** A step may hold steps of its own, and moving those is no difference either. */
function withoutPlaces(key: string, value: unknown): unknown {
  const isPlace =
    key === 'position' && typeof value === 'object' && value !== null && Object.keys(value).sort().join() === 'x,y'
  return isPlace ? undefined : value
}

export function describe({ added, removed, changed, edges }: Difference): string[] {
  const line = (verb: string, names: string[]) => (names.length ? [`${verb} ${names.join(', ')}`] : [])
  const lines = [...line('Added', added), ...line('Removed', removed), ...line('Changed', changed)]
  if (edges) lines.push(edges === 1 ? '1 connection differs' : `${edges} connections differ`)
  return lines.length ? lines : ['Only positions differ']
}
