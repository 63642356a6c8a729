import { nodeTypesQuery, queryClient, versionQuery, workflowQuery } from '../../api/queries'
import { readDraft } from '../../canvas/drafts'
import { openDocument } from '../../canvas/store'

/** Fetches what the editor needs and opens the newest version, or the edits that an earlier visit left unsaved. */
export async function loadEditor(id: string): Promise<{ restoredAt: number | null }> {
  const [workflow] = await Promise.all([
    queryClient.fetchQuery({ ...workflowQuery(id), staleTime: 0 }),
    queryClient.ensureQueryData(nodeTypesQuery),
  ])
  const draft = readDraft(id)
  const base = draft?.base ?? workflow.version
  const version = await queryClient.ensureQueryData(versionQuery(id, base))
  openDocument(id, base, version.graph, draft?.graph ?? null)
  return { restoredAt: draft?.at ?? null }
}
