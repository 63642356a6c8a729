import { useMemo } from 'react'

import type { Problem } from '../../api/types'
import { idPattern, nodeById, patchNode, renameId } from '../../canvas/graph'
import { removeChosen } from '../../canvas/edits'
import { change, currentGraph, select, useEditor } from '../../canvas/store'
import type { Catalog } from '../../canvas/view'
import { Inspector } from '../../inspector/Inspector'

type Props = { id: string; catalog: Catalog; problems: Problem[]; readOnly: boolean }

/** Joins the inspector, which knows one node, to the document. */
export function StepSettings({ id, catalog, problems, readOnly }: Props) {
  const node = useEditor((state) => nodeById(state.history.present, id))
  const own = useMemo(() => problems.filter((problem) => problem.node_id === id), [problems, id])
  if (!node) return null
  return (
    <Inspector
      node={node}
      type={catalog.get(node.type)}
      problems={own}
      onChange={
        readOnly
          ? undefined
          : (patch, label, path) => change(label, (graph) => patchNode(graph, id, patch), `${id} ${path}`)
      }
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
  if (!idPattern.test(to) || nodeById(currentGraph(), to)) return false
  change('Change id', (graph) => renameId(graph, from, to))
  select([to])
  return true
}
