import { Position, type NodeHandle } from '@xyflow/react'

import type { Graph, GraphEdge, GraphNode, Json, JsonObject, NodeType } from '../api/types'

import { nodeById, nodeSize, patchNode } from './graph'

export const errorPort = 'error'
export const inputPort = 'in'

const dot = 10
const rowHeight = 22

/** The exits that the entries of a parameter name, such as the cases of a switch, in their order. */
export function namedPorts(params: JsonObject | undefined, from: string | null | undefined): string[] {
  const entries = from ? params?.[from] : undefined
  return Array.isArray(entries) ? entries.map(portName) : []
}

const portName = (entry: Json): string =>
  typeof entry === 'object' && entry !== null && !Array.isArray(entry) && typeof entry.port === 'string'
    ? entry.port
    : ''

/** The exits that a node has, by its type and by its own parameters. */
export function ownExits(node: GraphNode, type: NodeType | undefined): string[] {
  const fixed = type?.ports ?? ['out']
  return [...new Set([...namedPorts(node.params, type?.ports_from), ...fixed])].filter((port) => port !== '')
}

/** What is drawn at a node: its exits, and those that an edge still leaves by though the node has them no more. */
export function exitsOf(node: GraphNode, type: NodeType | undefined, used: readonly string[]): string[] {
  return [...new Set([...ownExits(node, type), ...used])].filter((port) => port !== errorPort)
}

/** A node with one exit for good leaves by it without a name; one that may get more names the exit from the start. */
export const isNameless = (type: NodeType | undefined): boolean => type?.ports.length === 1 && !type.ports_from

/** The exits in use that a known type does not have: the server will not run them. */
export function lostPorts(node: GraphNode, type: NodeType | undefined, used: readonly string[]): string[] {
  if (!type) return []
  const own = new Set(ownExits(node, type))
  return [...new Set(used)].filter((port) => port !== errorPort && !own.has(port))
}

/**
 * New parameters for a node whose exits they name. An edge follows the exit that was renamed, and goes with the one
 * that was taken away, unless the node still has an exit of that name.
 */
export function setParams(graph: Graph, id: string, params: JsonObject, type: NodeType | undefined): Graph {
  const node = nodeById(graph, id)
  const from = type?.ports_from
  const after = patchNode(graph, id, { params })
  // What is not a list of entries is being written as an expression; that says nothing about exits.
  if (!node || !from || !Array.isArray(params[from])) return after
  const [before, now] = [namedPorts(node.params, from), namedPorts(params, from)]
  const own = new Set(ownExits({ ...node, params }, type))
  const renamed = before.length === now.length ? renames(before, now) : new Map<string, string>()
  const edges = graph.edges.flatMap((edge) => {
    if (edge.source !== id || edge.port === undefined || own.has(edge.port) || !before.includes(edge.port))
      return [edge]
    const port = renamed.get(edge.port)
    if (port !== undefined) return [{ ...edge, port }]
    return before.length > now.length ? [] : [edge]
  })
  return edges.every((edge, at) => edge === graph.edges[at]) && edges.length === graph.edges.length
    ? after
    : { ...after, edges }
}

/** Old names and what they are called now, entry by entry. An empty name is none. */
function renames(before: string[], now: string[]): Map<string, string> {
  const pairs = before.map((old, at): [string, string] => [old, now[at] ?? ''])
  return new Map(pairs.filter(([old, next]) => old !== '' && next !== '' && old !== next))
}

/** How many connections an edit of a step took with it. */
export const edgesLost = (before: Graph, after: Graph): number => Math.max(0, before.edges.length - after.edges.length)

export function usedPorts(edges: readonly GraphEdge[]): Map<string, string[]> {
  const used = new Map<string, string[]>()
  for (const { source, port } of edges) {
    if (port === undefined) continue
    const list = used.get(source)
    if (list) list.push(port)
    else used.set(source, [port])
  }
  return used
}

export const cardHeight = (exits: readonly string[]): number => Math.max(nodeSize.height, exits.length * rowHeight + 16)

/** Where the exits stand, so that edges are drawn to cards that are not on screen. */
export function handlesOf(exits: readonly string[], isTrigger: boolean): NodeHandle[] {
  const height = cardHeight(exits)
  const source = (id: string, x: number, y: number, position: Position): NodeHandle => ({
    id,
    type: 'source',
    position,
    x: x - dot / 2,
    y: y - dot / 2,
    width: dot,
    height: dot,
  })
  const right = exits.map((id, index) => source(id, nodeSize.width, exitY(exits, index), Position.Right))
  const error = source(errorPort, nodeSize.width - 28, height, Position.Bottom)
  if (isTrigger) return [...right, error]
  const entry: NodeHandle = { ...source(inputPort, 0, height / 2, Position.Left), type: 'target' }
  return [entry, ...right, error]
}

export const exitY = (exits: readonly string[], index: number): number =>
  cardHeight(exits) / 2 + (index - (exits.length - 1) / 2) * rowHeight
