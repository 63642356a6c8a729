import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { ApiError, errorText } from '../../api/client'
import { publishVersion, saveVersion, versionQuery, workflowQuery } from '../../api/queries'
import type { Version } from '../../api/types'
import { dropDraft } from '../../canvas/drafts'
import { currentDocument, isDirty, markSaved, useEditor } from '../../canvas/store'

export type Saving = {
  save: (over?: number) => Promise<number>
  publish: () => void
  isSaving: boolean
  isPublishing: boolean
  /** The version that was saved elsewhere meanwhile, while the author has not decided yet. */
  conflict: Version | null
  dismissConflict: () => void
}

/** Saving and publishing of the open document. `save` answers with the version that now holds what is on screen. */
export function useSaving(id: string): Saving {
  const client = useQueryClient()
  const [conflict, setConflict] = useState<Version | null>(null)

  const saving = useMutation({
    mutationFn: async (over: number | undefined) => {
      const state = useEditor.getState()
      if (!isDirty(state) && over === undefined) return state.base
      const graph = currentDocument()
      const made = await saveVersion(id, { graph, base_version: over ?? state.base })
      markSaved(made.version, graph)
      dropDraft(id)
      setConflict(null)
      return made.version
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['triggers'] })
      return client.invalidateQueries({ queryKey: ['workflow', id], exact: true })
    },
    onError: async (error) => {
      if (error instanceof ApiError && error.status === 409) return setConflict(await newest())
      complain('Not saved', error)
    },
  })
  const newest = async () => {
    const workflow = await client.fetchQuery({ ...workflowQuery(id), staleTime: 0 })
    return client.fetchQuery(versionQuery(id, workflow.version))
  }
  const publishing = useMutation({
    mutationFn: async () => {
      // A save that failed has said so itself.
      const version = await saving.mutateAsync(undefined).catch(() => null)
      return version === null ? null : publishVersion(id, version)
    },
    onSuccess: (workflow) => {
      if (!workflow) return
      client.setQueryData(workflowQuery(id).queryKey, workflow)
      void client.invalidateQueries({ queryKey: ['triggers'] })
      notifications.show({ message: `Version ${workflow.published_version} is live.` })
    },
    onError: (error) => complain('Not published', error),
  })
  return {
    save: (over) => saving.mutateAsync(over),
    publish: () => publishing.mutate(),
    isSaving: saving.isPending,
    isPublishing: publishing.isPending,
    conflict,
    dismissConflict: () => setConflict(null),
  }
}

function complain(title: string, error: unknown): void {
  const [first, ...more] = error instanceof ApiError ? error.problems : []
  const message = first ? `${first.message}${more.length ? ` And ${more.length} more.` : ''}` : errorText(error)
  notifications.show({ color: 'red', title, message })
}
