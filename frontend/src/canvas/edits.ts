import type { Graph, GraphEdge, JsonObject } from '../api/types'

import * as g from './graph'
import { layered } from './layout'
import { exitsOf, usedPorts } from './ports'
import { change, currentGraph, select, useEditor } from './store'
import type { Catalog } from './view'

// Edits by name: each is one kernel, one label in the history, and the selection that follows from it.

export type Wish = {
  type: string
  params: JsonObject
  at: g.Point
  onEdge: string | null
  /** The step that the new one follows; a named exit was dragged to `at`, without one both are chosen here. */
  after: { id: string; exit: Pick<GraphEdge, 'source' | 'port'> | null } | null
}

/** Adds a step where it was dropped, on the edge it was dropped on, or behind the step it was added to. */
export function addStep(catalog: Catalog, wish: Wish): string {
  const type = catalog.get(wish.type)
  const before = currentGraph()
  const exit = wish.after?.exit
  const behind = wish.after === null || type?.trigger ? undefined : g.nodeById(before, wish.after.id)
  const position = behind && !exit ? freeSpot(before, behind.position ?? { x: 0, y: 0 }) : wish.at
  const added = g.addNode(before, { type: wish.type, title: type?.title, params: wish.params, position })
  let next = added.graph
  if (behind) next = g.connect(next, { ...(exit ?? exitFor(catalog, next, behind.id)), target: added.id })
  else if (wish.onEdge && !type?.trigger)
    next = g.insertOnEdge(next, wish.onEdge, added.id, firstExit(catalog, wish.type))
  change(`Add ${type?.title ?? wish.type}`, () => next)
  select([added.id])
  return added.id
}

/** The named first exit of a type with several; a single one needs no name. */
function firstExit(catalog: Catalog, type: string): string | undefined {
  const ports = catalog.get(type)?.ports ?? []
  return ports.length > 1 ? ports[0] : undefined
}

function exitFor(catalog: Catalog, graph: Graph, id: string): Pick<GraphEdge, 'source' | 'port'> {
  const node = g.nodeById(graph, id)
  const used = usedPorts(graph.edges).get(id) ?? []
  const exits = node ? exitsOf(node, catalog.get(node.type), []) : []
  const free = exits.find((port) => !used.includes(port)) ?? exits[0]
  return exits.length > 1 && free ? { source: id, port: free } : { source: id }
}

const freeSpot = (graph: Graph, { x, y }: g.Point): g.Point => clearOf(graph, { x: x + g.nodeSize.width + 84, y })

/** The place itself or the next below it where a card covers no other. */
export function clearOf(graph: Graph, { x, y }: g.Point): g.Point {
  const spot = { x, y }
  const taken = (at: g.Point) =>
    graph.nodes.some(
      ({ position: p }) =>
        p && Math.abs(p.x - at.x) < g.nodeSize.width && Math.abs(p.y - at.y) < g.nodeSize.height + 16,
    )
  while (taken(spot)) spot.y += g.nodeSize.height + 40
  return spot
}

export const connectSteps = (edge: GraphEdge): void => change('Connect steps', (graph) => g.connect(graph, edge))

export function moveSteps(places: Map<string, g.Point>, byDrag: boolean): void {
  // A row of arrow keys is one move; two drags are two.
  const merge = byDrag ? null : `move ${[...places.keys()].join(' ')}`
  change(places.size === 1 ? 'Move step' : `Move ${places.size} steps`, (graph) => g.move(graph, places), merge)
}

export function removeChosen(): void {
  const { nodes, edges } = useEditor.getState().selection
  const label = nodes.size ? (nodes.size === 1 ? 'Delete step' : `Delete ${nodes.size} steps`) : 'Delete connection'
  change(label, (graph) => g.remove(graph, nodes, edges))
  select([])
}

export const tidy = (): void => change('Tidy up', (graph) => g.move(graph, layered(graph)))

export const selectAll = (): void => select(currentGraph().nodes.map((node) => node.id))
