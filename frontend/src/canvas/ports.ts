import { Position, type NodeHandle } from '@xyflow/react'

import type { GraphEdge, GraphNode, NodeType } from '../api/types'

import { nodeSize } from './graph'

export const errorPort = 'error'
export const inputPort = 'in'

const dot = 10
const rowHeight = 22

/** The named exits of a node: its type's, those that its own cases name, and any that an edge already uses. */
export function exitsOf(node: GraphNode, type: NodeType | undefined, used: readonly string[]): string[] {
  const cases = Array.isArray(node.params?.cases) ? node.params.cases : []
  const named = cases.flatMap((entry) =>
    entry && typeof entry === 'object' && !Array.isArray(entry) && typeof entry.port === 'string' ? [entry.port] : [],
  )
  const known = type?.ports ?? ['out']
  const all = named.length ? [...named, ...known] : known
  return [...new Set([...all, ...used])].filter((port) => port && port !== errorPort)
}

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
