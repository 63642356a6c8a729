import type { Graph, GraphEdge, GraphNode } from '../api/types'

import { freshId, renameId, snap, type Point } from './graph'

/** The chosen nodes and the edges among them, as JSON that a person can read. */
export function copyText(graph: Graph, chosen: ReadonlySet<string>): string {
  const nodes = graph.nodes.filter((node) => chosen.has(node.id))
  const edges = graph.edges.filter((edge) => chosen.has(edge.source) && chosen.has(edge.target))
  return JSON.stringify({ nodes, edges }, null, 2)
}

export type Pasted = { graph: Graph; ids: string[] }

/** Adds copied nodes with fresh ids and their wiring kept; null when the text is not a graph. */
export function pasteText(
  graph: Graph,
  text: string,
  shift: Point,
  reserved: ReadonlySet<string> = new Set(),
): Pasted | null {
  const piece = parsePiece(text)
  if (!piece || !piece.nodes.length) return null
  const taken = new Set([...graph.nodes.map((node) => node.id), ...reserved])
  let fresh = piece
  const ids: string[] = []
  for (const { id } of piece.nodes) {
    const next = taken.has(id)
      ? freshId(new Set([...taken, ...piece.nodes.map((node) => node.id)]), id.replace(/_\d+$/, ''))
      : id
    fresh = renameId(fresh, id, next)
    taken.add(next)
    ids.push(next)
  }
  const moved = fresh.nodes.map((node) => ({ ...node, position: shifted(node, shift) }))
  return { graph: { ...graph, nodes: [...graph.nodes, ...moved], edges: [...graph.edges, ...fresh.edges] }, ids }
}

const shifted = ({ position = { x: 0, y: 0 } }: GraphNode, by: Point): Point =>
  snap({ x: position.x + by.x, y: position.y + by.y })

function parsePiece(text: string): Graph | null {
  const value = parse(text)
  if (!isRecord(value) || !Array.isArray(value.nodes) || !value.nodes.every(isNode)) return null
  const known = new Set(value.nodes.map((node) => node.id))
  if (known.size !== value.nodes.length) return null
  const edges = Array.isArray(value.edges) ? value.edges.filter(isEdge) : []
  return { nodes: value.nodes, edges: edges.filter((edge) => known.has(edge.source) && known.has(edge.target)) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isNode = (value: unknown): value is GraphNode =>
  isRecord(value) && typeof value.id === 'string' && typeof value.type === 'string' && isPlace(value.position)

const isPlace = (value: unknown): boolean =>
  value === undefined || (isRecord(value) && typeof value.x === 'number' && typeof value.y === 'number')

const isEdge = (value: unknown): value is GraphEdge =>
  isRecord(value) && typeof value.source === 'string' && typeof value.target === 'string'
