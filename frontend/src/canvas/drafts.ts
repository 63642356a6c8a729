import type { Graph } from '../api/types'

import { isDirty, useEditor } from './store'

// Unsaved edits outlive the tab: they are kept per workflow until they are saved or undone.

export type Draft = { base: number; graph: Graph; at: number }

const keyOf = (workflowId: string): string => `flowforge.draft.${workflowId}`

export function readDraft(workflowId: string): Draft | null {
  try {
    const text = localStorage.getItem(keyOf(workflowId))
    return text ? (JSON.parse(text) as Draft) : null
  } catch {
    return null
  }
}

export function dropDraft(workflowId: string): void {
  localStorage.removeItem(keyOf(workflowId))
}

let timer: ReturnType<typeof setTimeout> | undefined

function write(): void {
  timer = undefined
  const state = useEditor.getState()
  if (!state.workflowId) return
  if (!isDirty(state)) return dropDraft(state.workflowId)
  const draft: Draft = { base: state.base, graph: state.history.present, at: Date.now() }
  try {
    localStorage.setItem(keyOf(state.workflowId), JSON.stringify(draft))
  } catch {
    // The browser's storage is full or off. The tab still warns before it is closed.
  }
}

/** Starts keeping drafts; the returned function writes what is due and stops. */
export function keepDrafts(): () => void {
  const stop = useEditor.subscribe((now, before) => {
    if (now.workflowId !== before.workflowId) {
      clearTimeout(timer)
      timer = undefined
    } else if (now.history.present !== before.history.present || now.saved !== before.saved)
      timer ??= setTimeout(write, 300)
  })
  const flush = () => timer !== undefined && (clearTimeout(timer), write())
  window.addEventListener('pagehide', flush)
  return () => {
    flush()
    window.removeEventListener('pagehide', flush)
    stop()
  }
}
