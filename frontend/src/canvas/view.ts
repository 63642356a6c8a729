import type { Edge, Node } from '@xyflow/react'

import type { Graph, GraphEdge, GraphNode, NodeType } from '../api/types'

import { bodyOf, bodyParam } from './body'
import { edgeKey, nodeSize, portOf, titleOf, type Point } from './graph'
import { cardHeight, errorPort, exitsOf, handlesOf, inputPort, lostPorts, usedPorts } from './ports'
import type { Selection } from './store'

export type Catalog = ReadonlyMap<string, NodeType>
/**
 * `open` are the exits with a name of their own that nothing is connected to yet; a connection shows the name itself.
 * `inside` is how many steps the node holds, null where it can hold none.
 */
export type CardData = {
  node: GraphNode
  type: NodeType | undefined
  exits: string[]
  open: string[]
  errorWired: boolean
  inside: number | null
}
export type CardNode = Node<CardData, 'card'>
export type LineEdge = Edge<{ label: string | null; lost: boolean }, 'line'>

type Known = { node: GraphNode; selected: boolean; position: Point; ports: string; card: CardNode }

/**
 * Turns documents into what the canvas draws. A card whose node did not change is the same object as before, so a
 * drag over a thousand nodes redraws one.
 */
export function createCards(catalog: Catalog) {
  let known = new Map<string, Known>()
  return (graph: Graph, selection: Selection, drag: ReadonlyMap<string, Point> | null): CardNode[] => {
    const used = usedPorts(graph.edges)
    const next = new Map<string, Known>()
    const cards = graph.nodes.map((node) => {
      const selected = selection.nodes.has(node.id)
      const position = drag?.get(node.id) ?? node.position ?? { x: 0, y: 0 }
      const mine = used.get(node.id) ?? []
      const ports = mine.join('\u0000')
      const before = known.get(node.id)
      const same =
        before &&
        before.node === node &&
        before.selected === selected &&
        before.ports === ports &&
        before.position.x === position.x &&
        before.position.y === position.y
      const entry = same
        ? before
        : { node, selected, position, ports, card: toCard(catalog, node, mine, selected, position) }
      next.set(node.id, entry)
      return entry.card
    })
    known = next
    return cards
  }
}

function toCard(catalog: Catalog, node: GraphNode, used: string[], selected: boolean, position: Point): CardNode {
  const type = catalog.get(node.type)
  const exits = exitsOf(node, type, used)
  const size = { width: nodeSize.width, height: cardHeight(exits) }
  return {
    id: node.id,
    type: 'card',
    position,
    selected,
    ...size,
    measured: size,
    handles: handlesOf(exits, type?.trigger ?? false),
    ariaLabel: `${titleOf(node)}, ${type?.title ?? node.type}`,
    data: {
      node,
      type,
      exits,
      open: exits.length > 1 ? unused(exits, used) : [],
      errorWired: used.includes(errorPort),
      inside: insideOf(node, type),
    },
  }
}

/** Something else may stand in for the steps inside: a workflow, say. */
function insideOf(node: GraphNode, type: NodeType | undefined): number | null {
  const param = bodyParam(type)
  return param === null || typeof node.params?.workflow === 'string' ? null : bodyOf(node, param).nodes.length
}

const unused = (exits: string[], used: string[]): string[] => exits.filter((port) => !used.includes(port))

export function toLines(graph: Graph, catalog: Catalog, selected: ReadonlySet<string>): LineEdge[] {
  const used = usedPorts(graph.edges)
  // Looked at once a step, however many connections leave it.
  const sources = new Map(graph.nodes.map((node) => [node.id, sourceOf(node, catalog, used.get(node.id) ?? [])]))
  const lines = new Map<string, LineEdge>()
  for (const edge of graph.edges) {
    const source = sources.get(edge.source)
    // A line needs both its ends; the server names an edge that lacks one.
    if (!source || !sources.has(edge.target)) continue
    const line = toLine(edge, source, selected)
    lines.set(line.id, line)
  }
  return [...lines.values()]
}

type Source = { exits: string[]; fixed: string[]; lost: string[] }

function sourceOf(node: GraphNode, catalog: Catalog, used: string[]): Source {
  const type = catalog.get(node.type)
  const exits = exitsOf(node, type, used)
  return { exits, fixed: type?.ports ?? exits, lost: used.length ? lostPorts(node, type, used) : [] }
}

function toLine(edge: GraphEdge, { exits, fixed, lost: gone }: Source, selected: ReadonlySet<string>): LineEdge {
  const port = portOf(edge, fixed)
  const lost = gone.includes(port)
  const id = edgeKey(edge)
  return {
    id,
    type: 'line',
    source: edge.source,
    sourceHandle: port,
    target: edge.target,
    targetHandle: inputPort,
    selected: selected.has(id),
    className: port === errorPort ? 'line-error' : lost ? 'line-lost' : undefined,
    data: { label: port === errorPort || lost || exits.length > 1 ? port : null, lost },
  }
}
