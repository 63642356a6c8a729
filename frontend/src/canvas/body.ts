import type { Graph, GraphNode, Json, NodeType, Problem } from '../api/types'

import { emptyGraph, nodeById, patchNode, place } from './graph'
import { layered } from './layout'

// A node may hold a graph of its own, such as what is done for each item. Where an author stands in the document is
// the way there: the nodes that were opened one inside the other. Editing inside is editing the one document.

/** A node that is opened, and the parameter of it that holds its graph. */
export type Door = { id: string; param: string }
export type Where = readonly Door[]

export const top: Where = []

export const pathOf = (where: Where): string => where.map((door) => door.id).join('/')

const known = new WeakMap<object, Graph>()

/** The graph in a node, every step in a place; the same object as long as the parameter is. */
export function bodyOf(node: GraphNode, param: string): Graph {
  const held = node.params?.[param]
  if (typeof held !== 'object' || held === null || Array.isArray(held)) return emptyGraph
  const before = known.get(held)
  if (before) return before
  const isGraph = Array.isArray(held.nodes) && (held.edges === undefined || Array.isArray(held.edges))
  const graph = isGraph ? place({ edges: [], ...held } as unknown as Graph, layered) : emptyGraph
  known.set(held, graph)
  return graph
}

/** The parameter in which nodes of a type hold a graph. */
export const bodyParam = (type: NodeType | undefined): string | null => type?.body ?? null

/** Steps that hold a graph or name a workflow start runs of their own. */
export const startsRuns = (type: NodeType | undefined): boolean =>
  bodyParam(type) !== null || type?.params_schema.properties?.workflow !== undefined

/** What is drawn there; null where the way leads nowhere. */
export function graphAt(document: Graph, where: Where): Graph | null {
  let graph = document
  for (const { id, param } of where) {
    const node = nodeById(graph, id)
    if (!node) return null
    graph = bodyOf(node, param)
  }
  return graph
}

/** The document with an edit made inside it; the very document when the edit changes nothing. */
export function editAt(document: Graph, where: Where, edit: (graph: Graph) => Graph): Graph {
  const [door, ...rest] = where
  if (!door) return edit(document)
  const node = nodeById(document, door.id)
  if (!node) return document
  const before = bodyOf(node, door.param)
  const after = editAt(before, rest, edit)
  if (after === before) return document
  return patchNode(document, door.id, { params: { ...node.params, [door.param]: after as unknown as Json } })
}

/** As much of the way as there is. */
export function reachable(document: Graph, where: Where): Where {
  let graph = document
  for (const [depth, { id, param }] of where.entries()) {
    const node = nodeById(graph, id)
    if (!node) return where.slice(0, depth)
    graph = bodyOf(node, param)
  }
  return where
}

/** The ids of the steps around a place: a step inside may read those, so it is not called like one of them. */
export function idsAround(document: Graph, where: Where): ReadonlySet<string> {
  return new Set(where.flatMap((_, depth) => graphAt(document, where.slice(0, depth))?.nodes.map(({ id }) => id) ?? []))
}

type TypeOf = (type: string) => NodeType | undefined

/** The way to a step that a problem names, such as `each/inner`: the doors, and the step behind them. */
export function wayTo(document: Graph, nodeId: string, typeOf: TypeOf): { where: Where; id: string } {
  const ids = nodeId.split('/')
  const where: Door[] = []
  for (const id of ids.slice(0, -1)) {
    const node = nodeById(graphAt(document, where) ?? emptyGraph, id)
    const param = bodyParam(typeOf(node?.type ?? ''))
    if (param === null) return { where, id }
    where.push({ id, param })
  }
  return { where, id: ids.at(-1) ?? nodeId }
}

/** The problems of what is on screen; one that lies deeper is said of the step that holds it. */
export function problemsAt(problems: readonly Problem[], where: Where): Problem[] {
  const prefix = where.map((door) => `${door.id}/`).join('')
  return problems.flatMap((problem) => {
    if (!problem.node_id?.startsWith(prefix)) return []
    const [id = '', ...inner] = problem.node_id.slice(prefix.length).split('/')
    if (!inner.length) return [{ ...problem, node_id: id }]
    return [{ ...problem, node_id: id, field: null, message: `Inside, at \`${inner.join('/')}\`: ${problem.message}` }]
  })
}
