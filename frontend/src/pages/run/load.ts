import { nodeTypesQuery, queryClient, runQuery, versionQuery } from '../../api/queries'
import type { Graph, Run } from '../../api/types'
import { bodyOf, bodyParam } from '../../canvas/body'
import { nodeById, titleOf } from '../../canvas/graph'
import type { Catalog } from '../../canvas/view'

/** A run around another: the other is an item of one of its steps. */
export type Ancestor = { run: Run; nodeId: string; nodeTitle: string; index: number }

export type Loaded = { run: Run; graph: Graph; ancestors: Ancestor[] }

/** A run and the very graph that it runs, which later edits of the workflow do not touch. */
export async function loadRun(id: string): Promise<Loaded> {
  const types = await queryClient.ensureQueryData(nodeTypesQuery)
  return locate(id, new Map(types.map((type) => [type.type, type])))
}

/** Where a run has its place: outermost first come the runs around it, and a step of theirs may hold its graph. */
async function locate(id: string, catalog: Catalog): Promise<Loaded> {
  const run = await queryClient.fetchQuery({ ...runQuery(id), staleTime: 0 })
  const own = async () => (await queryClient.ensureQueryData(versionQuery(run.workflow_id, run.version))).graph
  if (!run.parent) return { run, graph: await own(), ancestors: [] }
  const { run_id, node_id, index } = run.parent
  const around = await locate(run_id, catalog)
  const node = nodeById(around.graph, node_id)
  const ancestors = [
    ...around.ancestors,
    { run: around.run, nodeId: node_id, nodeTitle: node ? titleOf(node) : node_id, index },
  ]
  const param = bodyParam(catalog.get(node?.type ?? ''))
  const held = node && param !== null && node.params?.workflow === undefined
  return { run, graph: held ? bodyOf(node, param) : await own(), ancestors }
}
