import { create } from 'zustand'

import type { Graph } from '../api/types'

import { editAt, graphAt, reachable, top, type Door, type Where } from './body'
import { emptyGraph, place } from './graph'
import * as h from './history'
import { layered } from './layout'

export type Selection = { nodes: ReadonlySet<string>; edges: ReadonlySet<string> }

const none: Selection = { nodes: new Set(), edges: new Set() }

type Editor = {
  workflowId: string
  /** The version that the document was made from: what a save names as its base. */
  base: number
  saved: Graph
  history: h.History<Graph>
  /** Which graph of the document is on the canvas. */
  where: Where
  selection: Selection
}

export const useEditor = create<Editor>(() => ({
  workflowId: '',
  base: 0,
  saved: emptyGraph,
  history: h.begin(emptyGraph),
  where: top,
  selection: none,
}))

const { getState: get, setState: set } = useEditor

/** The whole document, with all that its steps hold. */
export const currentDocument = (): Graph => get().history.present

/** The graph on the canvas. */
export const shownGraph = ({ history, where }: Pick<Editor, 'history' | 'where'>): Graph =>
  graphAt(history.present, where) ?? emptyGraph
export const currentGraph = (): Graph => shownGraph(get())

export const isDirty = (state: Editor): boolean => state.history.present !== state.saved

/** Begins to edit a version. `kept` is what an earlier visit left unsaved; it comes back as one undoable step. */
export function openDocument(workflowId: string, base: number, graph: Graph, kept: Graph | null): void {
  const saved = place(graph, layered)
  const start = h.begin(saved)
  const history = kept ? h.record(start, place(kept, layered), 'Unsaved changes') : start
  set({ workflowId, base, saved, history, where: top, selection: none })
}

/** Where the change that made a document was made, so that undoing it shows what it undoes. */
const madeAt = new WeakMap<Graph, Where>()

/** Changes the graph on the canvas. */
export const change = (label: string, edit: (graph: Graph) => Graph, merge: string | null = null): void =>
  changeAt(get().where, label, edit, merge)

/** Changes what belongs to the document and to none of its steps. */
export const changeDocument = (label: string, edit: (graph: Graph) => Graph, merge: string | null = null): void =>
  changeAt(top, label, edit, merge)

function changeAt(where: Where, label: string, edit: (graph: Graph) => Graph, merge: string | null): void {
  const { history } = get()
  const next = editAt(history.present, where, edit)
  if (next === history.present) return
  madeAt.set(next, where)
  const own = merge === null ? null : [...where.map(({ id }) => id), merge].join(' ')
  set({ history: h.record(history, next, label, own) })
}

/** The document that was on screen when the save began is saved; edits made since stay unsaved. */
export const markSaved = (base: number, saved: Graph): void => set({ base, saved })

/** Edits on, but on top of a newer version that somebody else saved. */
export const rebase = (base: number, saved: Graph): void => set({ base, saved })

export const select = (nodes: Iterable<string>, edges: Iterable<string> = []): void =>
  set({ selection: { nodes: new Set(nodes), edges: new Set(edges) } })

export const updateSelection = (update: (selection: Selection) => Selection): void =>
  set(({ selection }) => ({ selection: update(selection) }))

/** Opens the graph that a step of the canvas holds. */
export const enter = (door: Door): void => goTo([...get().where, door])

/** Shows another graph of the document, as far as there is one. */
export const goTo = (where: Where): void =>
  set(({ history }) => ({ where: reachable(history.present, where), selection: none }))

export const undo = (): void => step(h.undo, ({ present }) => present)
export const redo = (): void => step(h.redo, (_, { present }) => present)

/** Goes through the history, to where the change between the two documents was made. */
function step(
  walk: (history: h.History<Graph>) => h.History<Graph>,
  made: (before: h.History<Graph>, after: h.History<Graph>) => Graph,
): void {
  set(({ history, where, selection }) => {
    const after = walk(history)
    const place = reachable(after.present, madeAt.get(made(history, after)) ?? where)
    const stays = samePlace(place, where)
    return { history: after, where: stays ? where : place, selection: stays ? selection : none }
  })
}

const samePlace = (a: Where, b: Where): boolean => a.length === b.length && a.every(({ id }, at) => id === b[at]?.id)
