import type { Graph, GraphEdge, JsonObject, NodeType } from '../api/types'

import { idsAround } from './body'
import * as g from './graph'
import { layered } from './layout'
import { edgesLost, exitsOf, isNameless, setParams, usedPorts } from './ports'
import { change, currentDocument, currentGraph, select, useEditor } from './store'
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
  const fresh = { type: wish.type, title: type?.title, params: wish.params, position }
  const added = g.addNode(before, fresh, reservedIds())
  let next = added.graph
  if (behind) next = g.connect(next, { ...(exit ?? exitFor(catalog, next, behind.id)), target: added.id })
  else if (wish.onEdge && !type?.trigger)
    next = g.insertOnEdge(next, wish.onEdge, added.id, firstExit(catalog, wish.type))
  change(`Add ${type?.title ?? wish.type}`, () => next)
  select([added.id])
  return added.id
}

/** Ids that a step on the canvas must leave to the steps around it. */
export const reservedIds = (): ReadonlySet<string> => idsAround(currentDocument(), useEditor.getState().where)

/** New parameters for a step; its connections follow the exits that they name. */
export function changeParams(
  id: string,
  params: JsonObject,
  type: NodeType | undefined,
  label: string,
  path: string,
): void {
  const lost = edgesLost(currentGraph(), setParams(currentGraph(), id, params, type))
  const said = lost ? `${label} and ${lost === 1 ? 'a connection' : `${lost} connections`}` : label
  change(said, (graph) => setParams(graph, id, params, type), lost ? null : `${id} ${path}`)
}

/** The first exit of a type by its name, where it needs one. */
function firstExit(catalog: Catalog, type: string): string | undefined {
  const kind = catalog.get(type)
  return isNameless(kind) ? undefined : kind?.ports[0]
}

function exitFor(catalog: Catalog, graph: Graph, id: string): Pick<GraphEdge, 'source' | 'port'> {
  const node = g.nodeById(graph, id)
  const type = catalog.get(node?.type ?? '')
  const used = usedPorts(graph.edges).get(id) ?? []
  const exits = node ? exitsOf(node, type, []) : []
  const free = exits.find((port) => !used.includes(port)) ?? exits[0]
  return free && !isNameless(type) && (exits.length > 1 || type) ? { source: id, port: free } : { source: id }
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
