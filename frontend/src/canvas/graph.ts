import type { Graph, GraphEdge, GraphNode, JsonObject } from '../api/types'

// Kernels: a document and a wish in, a new document out. Nothing here knows React, the store or the network.
// A kernel that has nothing to do returns the very document it was given.

export type Point = { x: number; y: number }
export type Ports = (node: GraphNode) => string[]

export const nodeSize = { width: 220, height: 72 }
export const emptyGraph: Graph = { nodes: [], edges: [] }

/** The port an edge leaves by: without a name it is the node's first. */
export const portOf = (edge: GraphEdge, ports: string[]): string => edge.port ?? ports[0] ?? 'out'

export const edgeKey = (edge: GraphEdge): string => `${edge.source}\u0000${edge.port ?? ''}\u0000${edge.target}`

export const nodeById = (graph: Graph, id: string): GraphNode | undefined => graph.nodes.find((node) => node.id === id)

/** What people call a node. */
export const titleOf = (node: GraphNode): string => node.name || node.id

/** An unused id made from the type: "http.request" becomes http_request, then http_request_2. */
export function freshId(taken: ReadonlySet<string>, type: string): string {
  const base =
    type
      .toLowerCase()
      .replace(/^trigger\./, '')
      .replace(/[^a-z0-9]+/g, '_')
      .replace(/^_+|_+$/g, '') || 'step'
  const stem = /^[a-z]/.test(base) ? base : `step_${base}`
  let id = stem
  for (let n = 2; taken.has(id); n += 1) id = `${stem}_${n}`
  return id
}

const ids = (graph: Graph): Set<string> => new Set(graph.nodes.map((node) => node.id))

export type NewNode = { type: string; title?: string; position: Point; params?: JsonObject }

/** `reserved` are ids that are taken elsewhere, in the graphs around this one. */
export function addNode(
  graph: Graph,
  wish: NewNode,
  reserved: ReadonlySet<string> = new Set(),
): { graph: Graph; id: string } {
  const id = freshId(new Set([...ids(graph), ...reserved]), wish.type)
  // The second "Set" is called "Set 2", as its id is set_2.
  const name = wish.title && `${wish.title}${/_\d+$/.exec(id)?.[0].replace('_', ' ') ?? ''}`
  const node: GraphNode = { id, type: wish.type, position: snap(wish.position), params: wish.params ?? {} }
  if (name) node.name = name
  return { graph: { ...graph, nodes: [...graph.nodes, node] }, id }
}

export const snap = ({ x, y }: Point): Point => ({ x: Math.round(x / 4) * 4, y: Math.round(y / 4) * 4 })

/** True when an edge from source to target would close a circle. */
export function wouldCycle(graph: Graph, source: string, target: string): boolean {
  const next = new Map<string, string[]>()
  for (const edge of graph.edges) {
    const targets = next.get(edge.source)
    if (targets) targets.push(edge.target)
    else next.set(edge.source, [edge.target])
  }
  const seen = new Set<string>()
  const open = [target]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (id === source) return true
    if (seen.has(id)) continue
    seen.add(id)
    open.push(...(next.get(id) ?? []))
  }
  return false
}

/** Why the two may not be joined, or null. */
export function refuseConnection(graph: Graph, edge: GraphEdge): string | null {
  if (edge.source === edge.target) return 'A step cannot follow itself.'
  if (graph.edges.some((known) => edgeKey(known) === edgeKey(edge))) return 'These two are connected already.'
  if (wouldCycle(graph, edge.source, edge.target)) return 'This would make a circle; a workflow runs in one direction.'
  return null
}

export function connect(graph: Graph, edge: GraphEdge): Graph {
  return refuseConnection(graph, edge) ? graph : { ...graph, edges: [...graph.edges, edge] }
}

/** Puts a node between the two ends of an edge; what comes behind keeps its place. */
export function insertOnEdge(graph: Graph, key: string, id: string, exit: string | undefined): Graph {
  const edge = graph.edges.find((known) => edgeKey(known) === key)
  if (!edge || edge.source === id || edge.target === id) return graph
  const rest = graph.edges.filter((known) => known !== edge)
  const halves = [
    { ...edge, target: id },
    { source: id, ...(exit === undefined ? {} : { port: exit }), target: edge.target },
  ]
  return { ...graph, edges: [...rest, ...halves] }
}

export function remove(graph: Graph, nodes: ReadonlySet<string>, edges: ReadonlySet<string>): Graph {
  const keptNodes = graph.nodes.filter((node) => !nodes.has(node.id))
  const keptEdges = graph.edges.filter(
    (edge) => !nodes.has(edge.source) && !nodes.has(edge.target) && !edges.has(edgeKey(edge)),
  )
  const same = keptNodes.length === graph.nodes.length && keptEdges.length === graph.edges.length
  return same ? graph : { ...graph, nodes: keptNodes, edges: keptEdges }
}

export function move(graph: Graph, places: ReadonlyMap<string, Point>): Graph {
  let moved = false
  const nodes = graph.nodes.map((node) => {
    const place = places.get(node.id)
    if (!place || (place.x === node.position?.x && place.y === node.position?.y)) return node
    moved = true
    return { ...node, position: place }
  })
  return moved ? { ...graph, nodes } : graph
}

/** Replaces one node; a field set to undefined is taken away. */
export function patchNode(graph: Graph, id: string, patch: Partial<GraphNode>): Graph {
  const nodes = graph.nodes.map((node) => (node.id === id ? clean({ ...node, ...patch }) : node))
  return { ...graph, nodes }
}

function clean(node: GraphNode): GraphNode {
  return Object.fromEntries(Object.entries(node).filter(([, value]) => value !== undefined)) as GraphNode
}

export const idPattern = /^[a-z][a-z0-9_]*$/i

/** Renames a node everywhere: its edges and every {{ steps.old… }} that speaks of it. */
export function renameId(graph: Graph, from: string, to: string): Graph {
  if (from === to || !idPattern.test(to) || nodeById(graph, to)) return graph
  const mention = new RegExp(`\\bsteps\\.${from.replace(/[^\w]/g, '\\$&')}\\b`, 'g')
  const inside = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(mention, `steps.${to}`)
    if (Array.isArray(value)) return value.map(inside)
    if (value && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, inside(entry)]))
    return value
  }
  const nodes = graph.nodes.map((node) => ({
    ...node,
    id: node.id === from ? to : node.id,
    ...(node.params && { params: inside(node.params) as JsonObject }),
  }))
  const swap = (id: string) => (id === from ? to : id)
  const edges = graph.edges.map((edge) => ({ ...edge, source: swap(edge.source), target: swap(edge.target) }))
  return { ...graph, nodes, edges }
}

/** Gives every node without a place one, and leaves the others where they are. */
export function place(graph: Graph, layout: (graph: Graph) => ReadonlyMap<string, Point>): Graph {
  return graph.nodes.every((node) => node.position) ? graph : move(graph, layout(graph))
}
