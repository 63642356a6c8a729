import { create } from 'zustand'

import type { Graph } from '../api/types'

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
  selection: Selection
}

export const useEditor = create<Editor>(() => ({
  workflowId: '',
  base: 0,
  saved: emptyGraph,
  history: h.begin(emptyGraph),
  selection: none,
}))

const { getState: get, setState: set } = useEditor

export const currentGraph = (): Graph => get().history.present
export const isDirty = (state: Editor): boolean => state.history.present !== state.saved

/** Begins to edit a version. `kept` is what an earlier visit left unsaved; it comes back as one undoable step. */
export function openDocument(workflowId: string, base: number, graph: Graph, kept: Graph | null): void {
  const saved = place(graph, layered)
  const start = h.begin(saved)
  const history = kept ? h.record(start, place(kept, layered), 'Unsaved changes') : start
  set({ workflowId, base, saved, history, selection: none })
}

export function change(label: string, edit: (graph: Graph) => Graph, merge: string | null = null): void {
  set(({ history }) => ({ history: h.record(history, edit(history.present), label, merge) }))
}

/** The document that was on screen when the save began is saved; edits made since stay unsaved. */
export const markSaved = (base: number, saved: Graph): void => set({ base, saved })

/** Edits on, but on top of a newer version that somebody else saved. */
export const rebase = (base: number, saved: Graph): void => set({ base, saved })

export const select = (nodes: Iterable<string>, edges: Iterable<string> = []): void =>
  set({ selection: { nodes: new Set(nodes), edges: new Set(edges) } })

export const updateSelection = (update: (selection: Selection) => Selection): void =>
  set(({ selection }) => ({ selection: update(selection) }))

export const undo = (): void => set(({ history }) => ({ history: h.undo(history) }))
export const redo = (): void => set(({ history }) => ({ history: h.redo(history) }))
