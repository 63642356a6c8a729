import { useMemo } from 'react'

import type { GraphNode, Problem } from '../../api/types'
import { bodyOf, bodyParam, problemsAt } from '../../canvas/body'
import { changeParams, removeChosen, reservedIds } from '../../canvas/edits'
import { idPattern, nodeById, patchNode, renameId, titleOf } from '../../canvas/graph'
import { change, currentGraph, select, shownGraph, useEditor } from '../../canvas/store'
import type { Catalog } from '../../canvas/view'
import { Inspector } from '../../inspector/Inspector'
import { ScheduleAbout, TriggerLead } from '../../inspector/TriggerAbout'

type Props = {
  id: string
  workflowId: string
  catalog: Catalog
  problems: Problem[]
  readOnly: boolean
  onEnter: () => void
}

/** Joins the inspector, which knows one node, to the document. */
export function StepSettings({ id, workflowId, catalog, problems, readOnly, onEnter }: Props) {
  const node = useEditor((state) => nodeById(shownGraph(state), id))
  const where = useEditor((state) => state.where)
  const own = useMemo(
    () => problemsAt(problems, where).filter((problem) => problem.node_id === id),
    [problems, where, id],
  )
  if (!node) return null
  const type = catalog.get(node.type)
  const edit = (patch: Partial<GraphNode>, label: string, path: string) =>
    patch.params
      ? changeParams(id, patch.params, type, label, path)
      : change(label, (graph) => patchNode(graph, id, patch), `${id} ${path}`)
  const param = bodyParam(type)
  return (
    <Inspector
      node={node}
      type={type}
      problems={own}
      body={param === null ? undefined : { param, titles: bodyOf(node, param).nodes.map(titleOf), onEnter }}
      lead={<TriggerLead workflowId={workflowId} node={node} />}
      about={<ScheduleAbout node={node} faulty={own.length > 0} />}
      onChange={readOnly ? undefined : edit}
      onRename={readOnly ? undefined : (next) => rename(id, next)}
      onRemove={readOnly ? undefined : removeChosen}
      onClose={() => close(id)}
    />
  )
}

/** Leaves the keyboard where it came from: on the step. */
function close(id: string): void {
  select([])
  document.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(id)}"]`)?.focus()
}

function rename(from: string, to: string): boolean {
  if (!idPattern.test(to) || nodeById(currentGraph(), to) || reservedIds().has(to)) return false
  change('Change id', (graph) => renameId(graph, from, to))
  select([to])
  return true
}
