import { useComputedColorScheme } from '@mantine/core'
import {
  Background,
  Controls,
  MiniMap,
  ReactFlow,
  useReactFlow,
  type Connection,
  type EdgeChange,
  type EdgeTypes,
  type NodeChange,
  type NodeTypes,
  type OnConnectEnd,
} from '@xyflow/react'
import { useCallback, useMemo, useState, type DragEvent, type MouseEvent } from 'react'

import type { Graph, GraphEdge } from '../api/types'

import { nodeById, refuseConnection, type Point } from './graph'
import { EdgeLine } from './EdgeLine'
import { NodeCard } from './NodeCard'
import { useMarks } from './marks'
import { isNameless } from './ports'
import type { Selection } from './store'
import { createCards, toLines, type CardNode, type Catalog, type LineEdge } from './view'

import '@xyflow/react/dist/style.css'
import './canvas.css'

// Rebuilt on each render these would remount every card.
const nodeTypes: NodeTypes = { card: NodeCard }
const edgeTypes: EdgeTypes = { line: EdgeLine }
const snapGrid: [number, number] = [4, 4]

/** Beyond this many nodes the whole graph is never drawn at once: it opens at its start, readable. */
const large = 1500

export const dragType = 'application/x-flowforge-node'

export type Editing = {
  onMove: (places: Map<string, Point>, byDrag: boolean) => void
  onConnect: (edge: GraphEdge) => void
  onDrop: (type: string, at: Point, edge: string | null) => void
  /** A connection was let go over nothing: the author wants a new step there. */
  onDangling: (exit: Exit, at: Point) => void
}

export type Exit = Pick<GraphEdge, 'source' | 'port'>

type Props = {
  graph: Graph
  catalog: Catalog
  selection: Selection
  onSelect: (update: (selection: Selection) => Selection) => void
  /** Without it the canvas is read-only. */
  editing?: Editing
  onOpen?: (id: string) => void
  /** A node that holds a graph of its own was entered. */
  onEnter?: (id: string) => void
}

export function Canvas({ graph, catalog, selection, onSelect, editing, onOpen, onEnter }: Props) {
  const colorMode = useComputedColorScheme('light')
  const flow = useReactFlow<CardNode, LineEdge>()
  const [drag, setDrag] = useState<Map<string, Point> | null>(null)
  const cards = useMemo(() => createCards(catalog), [catalog])
  const nodes = useMemo(() => cards(graph, selection, drag), [cards, graph, selection, drag])
  const edges = useMemo(() => toLines(graph, catalog, selection.edges), [graph, catalog, selection.edges])
  const isLarge = graph.nodes.length > large

  const onNodesChange = useCallback(
    (changes: NodeChange<CardNode>[]) => {
      const picked = changes.filter((one) => one.type === 'select')
      if (picked.length) onSelect((before) => ({ ...before, nodes: toggled(before.nodes, picked) }))
      const places = new Map<string, Point>()
      let dragging = false
      for (const one of changes) {
        if (one.type !== 'position' || !one.position) continue
        places.set(one.id, one.position)
        dragging ||= one.dragging ?? false
      }
      if (!editing || !places.size) return
      if (dragging) return setDrag(places)
      setDrag(null)
      editing.onMove(places, drag !== null)
    },
    [onSelect, editing, drag],
  )
  const onEdgesChange = useCallback(
    (changes: EdgeChange<LineEdge>[]) => {
      const picked = changes.filter((one) => one.type === 'select')
      if (picked.length) onSelect((before) => ({ ...before, edges: toggled(before.edges, picked) }))
    },
    [onSelect],
  )
  const isValidConnection = useCallback(
    (wish: Connection | LineEdge) => refuseConnection(graph, toEdge(wish, graph, catalog)) === null,
    [graph, catalog],
  )
  // A whole card takes a connection, not only its port.
  const onConnectEnd: OnConnectEnd = (event, { fromHandle, fromNode, toHandle }) => {
    if (!editing || toHandle || !fromNode || fromHandle?.type !== 'source') return
    const at = 'changedTouches' in event ? event.changedTouches[0] : event
    if (!at) return
    const under = document.elementFromPoint(at.clientX, at.clientY)
    const target = under?.closest('.react-flow__node')?.getAttribute('data-id')
    const wish = { source: fromNode.id, sourceHandle: fromHandle.id ?? null, targetHandle: null }
    const { source, port } = toEdge({ ...wish, target: '' }, graph, catalog)
    const exit = port === undefined ? { source } : { source, port }
    if (target) editing.onConnect({ ...exit, target })
    else if (under?.closest('.react-flow__pane'))
      editing.onDangling(exit, flow.screenToFlowPosition({ x: at.clientX, y: at.clientY }))
  }
  const onClick = (event: MouseEvent, node: CardNode) => {
    if (onEnter && event.target instanceof Element && event.target.closest('[data-enter]')) onEnter(node.id)
    else onOpen?.(node.id)
  }
  const onDrop = (event: DragEvent) => {
    const type = event.dataTransfer.getData(dragType)
    if (!type || !editing) return
    event.preventDefault()
    const edge = document.elementFromPoint(event.clientX, event.clientY)?.closest('.react-flow__edge')
    editing.onDrop(
      type,
      flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }),
      edge?.getAttribute('data-id') ?? null,
    )
  }

  return (
    <ReactFlow<CardNode, LineEdge>
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      colorMode={colorMode}
      onNodesChange={onNodesChange}
      onEdgesChange={onEdgesChange}
      onConnect={editing && ((wish) => editing.onConnect(toEdge(wish, graph, catalog)))}
      onConnectEnd={onConnectEnd}
      isValidConnection={isValidConnection}
      onNodeClick={onClick}
      onNodeDoubleClick={onEnter && ((_, node) => node.data.inside !== null && onEnter(node.id))}
      zoomOnDoubleClick={false}
      onDragOver={editing && ((event) => event.preventDefault())}
      onDrop={editing && onDrop}
      nodesDraggable={Boolean(editing)}
      nodesConnectable={Boolean(editing)}
      connectOnClick={Boolean(editing)}
      edgesFocusable={Boolean(editing)}
      deleteKeyCode={null}
      snapToGrid
      snapGrid={snapGrid}
      connectionRadius={28}
      minZoom={isLarge ? 0.35 : 0.1}
      maxZoom={2}
      fitView={!isLarge}
      fitViewOptions={{ padding: 0.15, maxZoom: 1 }}
      defaultViewport={isLarge ? startOf(graph) : undefined}
      onlyRenderVisibleElements
      elevateNodesOnSelect={false}
    >
      <Background gap={24} size={1.5} />
      <Controls showInteractive={false} position="bottom-left" />
      {!isLarge && graph.nodes.length > 12 && (
        <MiniMap pannable zoomable position="bottom-right" nodeClassName={markClass} />
      )}
    </ReactFlow>
  )
}

const markClass = (node: CardNode): string => `mini-${useMarks.getState().marks.get(node.id)?.state ?? 'none'}`

type Picked = { id: string; selected: boolean }

function toggled(before: ReadonlySet<string>, changes: Picked[]): ReadonlySet<string> {
  const next = new Set(before)
  for (const { id, selected } of changes) {
    if (selected) next.add(id)
    else next.delete(id)
  }
  return next
}

/** The only exit of a node goes without a name, as the document has it. */
function toEdge(wish: Connection | LineEdge, graph: Graph, catalog: Catalog): GraphEdge {
  const type = catalog.get(nodeById(graph, wish.source)?.type ?? '')
  const only = isNameless(type) && wish.sourceHandle === type?.ports[0]
  const { source, target, sourceHandle } = wish
  return only || !sourceHandle ? { source, target } : { source, port: sourceHandle, target }
}

function startOf(graph: Graph): { x: number; y: number; zoom: number } {
  const first = graph.nodes.reduce((best, node) => ((node.position?.x ?? 0) < (best.position?.x ?? 0) ? node : best))
  return { x: 80 - (first.position?.x ?? 0), y: 240 - (first.position?.y ?? 0), zoom: 1 }
}
