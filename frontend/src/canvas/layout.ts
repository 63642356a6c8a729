import type { Graph } from '../api/types'

import { nodeSize, type Point } from './graph'

const column = nodeSize.width + 84
const line = nodeSize.height + 40

/**
 * A place for every node, left to right: each stands behind the last of its predecessors, and the columns are
 * ordered by the places of their neighbours so that few edges cross. Linear in the size of the graph per sweep.
 */
export function layered(graph: Graph): Map<string, Point> {
  const { next, previous } = neighbours(graph)
  const columns = split(rank(graph, next, previous))
  const order = new Map<string, number>()
  columns.forEach((ids) => number(ids, order))
  for (let sweep = 0; sweep < 4; sweep += 1) {
    columns.forEach((ids) => sortBy(ids, previous, order))
    columns.toReversed().forEach((ids) => sortBy(ids, next, order))
  }
  return positions(columns, previous)
}

type Links = Map<string, string[]>

function neighbours(graph: Graph): { next: Links; previous: Links } {
  const next: Links = new Map(graph.nodes.map((node) => [node.id, []]))
  const previous: Links = new Map(graph.nodes.map((node) => [node.id, []]))
  for (const { source, target } of graph.edges) {
    if (!next.has(source) || !next.has(target)) continue
    next.get(source)?.push(target)
    previous.get(target)?.push(source)
  }
  return { next, previous }
}

/** The column of each node. Nodes on a circle, which a draft may have, are put in the first. */
function rank(graph: Graph, next: Links, previous: Links): Map<string, number> {
  const ranks = new Map(graph.nodes.map((node) => [node.id, 0]))
  const missing = new Map([...previous].map(([id, list]) => [id, list.length]))
  const open = graph.nodes.filter((node) => missing.get(node.id) === 0).map((node) => node.id)
  for (let index = 0; index < open.length; index += 1) {
    const id = open[index] as string
    for (const target of next.get(id) ?? []) {
      ranks.set(target, Math.max(ranks.get(target) ?? 0, (ranks.get(id) ?? 0) + 1))
      const left = (missing.get(target) ?? 0) - 1
      missing.set(target, left)
      if (left === 0) open.push(target)
    }
  }
  return ranks
}

function split(ranks: Map<string, number>): string[][] {
  const columns: string[][] = []
  for (const [id, rank] of ranks) (columns[rank] ??= []).push(id)
  return columns
}

const number = (ids: string[], order: Map<string, number>): void => ids.forEach((id, index) => order.set(id, index))

function sortBy(ids: string[], links: Links, order: Map<string, number>): void {
  const weight = new Map(ids.map((id) => [id, mean(links.get(id) ?? [], order) ?? order.get(id) ?? 0]))
  ids.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0))
  number(ids, order)
}

function mean(ids: string[], values: Map<string, number>): number | null {
  if (!ids.length) return null
  return ids.reduce((sum, id) => sum + (values.get(id) ?? 0), 0) / ids.length
}

/** Each node as near to its predecessors' height as the node above it lets it be. */
function positions(columns: string[][], previous: Links): Map<string, Point> {
  const heights = new Map<string, number>()
  const places = new Map<string, Point>()
  columns.forEach((ids, index) => {
    const wished = ids.map((id) => mean(previous.get(id) ?? [], heights) ?? 0)
    const tops = spread(wished)
    ids.forEach((id, row) => {
      heights.set(id, tops[row] ?? 0)
      places.set(id, { x: index * column, y: Math.round((tops[row] ?? 0) / 4) * 4 })
    })
  })
  return places
}

/** Pushes down what would overlap, then lifts the column by half of what that cost. */
function spread(wished: number[]): number[] {
  const tops: number[] = []
  wished.forEach((top, index) => tops.push(Math.max(top, (tops[index - 1] ?? -Infinity) + line)))
  const drift = mean2(tops) - mean2(wished)
  return tops.map((top) => top - drift)
}

const mean2 = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / (values.length || 1)
