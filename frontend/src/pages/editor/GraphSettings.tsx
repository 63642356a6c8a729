import { useMemo } from 'react'

import type { Problem, Workflow } from '../../api/types'
import { changeDocument, useEditor } from '../../canvas/store'
import { WorkflowSettings } from '../../inspector/WorkflowSettings'

import { usePatch } from './patch'

type Props = { workflow: Workflow; problems: Problem[]; onClose: () => void }

/** Joins the workflow's settings to the document, in which all but the description lie. */
export function GraphSettings({ workflow, problems, onClose }: Props) {
  const settings = useEditor((state) => state.history.present.settings)
  const own = useMemo(() => problems.filter((problem) => !problem.node_id), [problems])
  const patch = usePatch(workflow.id)
  return (
    <WorkflowSettings
      workflow={workflow}
      settings={settings ?? {}}
      problems={own}
      onChange={(next, path) => changeDocument('Change settings', (graph) => ({ ...graph, settings: next }), path)}
      onDescribe={(description) => patch.mutate({ description })}
      onClose={onClose}
    />
  )
}
