import { nodeTypesQuery, queryClient, runQuery, versionQuery } from '../../api/queries'
import type { Run, Version } from '../../api/types'

/** A run and the very graph that it runs, which later edits of the workflow do not touch. */
export async function loadRun(id: string): Promise<{ run: Run; version: Version }> {
  const types = queryClient.ensureQueryData(nodeTypesQuery)
  const run = await queryClient.fetchQuery({ ...runQuery(id), staleTime: 0 })
  const version = await queryClient.ensureQueryData(versionQuery(run.workflow_id, run.version))
  await types
  return { run, version }
}
