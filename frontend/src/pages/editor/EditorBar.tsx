import { ActionIcon, Button, Tooltip } from '@mantine/core'
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconHistory,
  IconPlayerPlayFilled,
  IconSearch,
  IconSettings,
  IconSitemap,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'

import type { Problem, Workflow } from '../../api/types'
import { actions, type Action, type Surroundings } from '../../canvas/actions'
import { isDirty, useEditor } from '../../canvas/store'
import { pages } from '../../util/paths'

import { ProblemsMenu } from './ProblemsMenu'
import { usePatch } from './patch'
import type { Saving } from './saving'

type Props = {
  workflow: Workflow
  problems: Problem[]
  saving: Saving
  around: Surroundings
  onShow: (problem: Problem) => void
  onSettings: () => void
  readOnly: boolean
}

export function EditorBar({ workflow, problems, saving, around, onShow, onSettings, readOnly }: Props) {
  const dirty = useEditor(isDirty)
  const base = useEditor((state) => state.base)
  const blocked = problems.length
    ? `Mend ${problems.length === 1 ? 'the problem' : `the ${problems.length} problems`} first`
    : null
  const live = workflow.published_version === base && !dirty
  return (
    <header className="bar">
      <Link to={pages.workflows} className="crumb wide-only">
        Workflows
      </Link>
      <span className="dim wide-only">/</span>
      <h1 className="unseen">{workflow.name}</h1>
      <Name workflow={workflow} />
      <span
        className="chip"
        title={workflow.published_version === null ? 'Not published' : `Version ${workflow.published_version} is live`}
      >
        v{base}
        {live && ' live'}
      </span>
      <span className={dirty ? 'save-state is-dirty' : 'save-state'} role="status">
        {saving.isSaving ? 'Saving…' : dirty ? 'Unsaved changes' : 'Saved'}
      </span>
      <span className="grow" />
      {!readOnly && (
        <span className="bar-tools">
          <Tool action={actions.undo} around={around} icon={<IconArrowBackUp size={18} />} />
          <Tool action={actions.redo} around={around} icon={<IconArrowForwardUp size={18} />} />
          <Tool action={actions.find} around={around} icon={<IconSearch size={18} />} />
          <Tool action={actions.tidy} around={around} icon={<IconSitemap size={18} />} />
          <Tooltip label="Settings of the workflow">
            <ActionIcon aria-label="Settings of the workflow" onClick={onSettings}>
              <IconSettings size={18} />
            </ActionIcon>
          </Tooltip>
        </span>
      )}
      <Tooltip label="Runs of this workflow">
        <ActionIcon
          aria-label="Runs of this workflow"
          renderRoot={(props) => <Link {...props} to={pages.runs} search={{ workflow_id: workflow.id }} />}
        >
          <IconHistory size={18} />
        </ActionIcon>
      </Tooltip>
      <ProblemsMenu problems={problems} onShow={onShow} />
      {!readOnly && (
        <>
          <Reasoned reason={!dirty ? 'Nothing to save' : blocked}>
            <Button variant="default" loading={saving.isSaving} onClick={around.save}>
              Save
            </Button>
          </Reasoned>
          <Reasoned reason={blocked ?? (live ? `Version ${base} is live already` : null)}>
            <Button
              variant="default"
              loading={saving.isPublishing}
              onClick={saving.publish}
              title="Saves, and makes this the version that runs unless another is named"
            >
              Publish
            </Button>
          </Reasoned>
        </>
      )}
      <Reasoned reason={blocked}>
        <Button leftSection={<IconPlayerPlayFilled size={14} />} onClick={around.run}>
          Run
        </Button>
      </Reasoned>
    </header>
  )
}

/** A button that cannot be pressed says why. */
function Reasoned({
  reason,
  children,
}: {
  reason: string | null
  children: React.ReactElement<{ disabled?: boolean }>
}) {
  if (reason === null) return children
  return (
    <Tooltip label={reason} events={{ hover: true, focus: true, touch: true }}>
      <fieldset disabled className="bare" aria-label={reason}>
        {children}
      </fieldset>
    </Tooltip>
  )
}

function Tool({ action, around, icon }: { action: Action; around: Surroundings; icon: React.ReactNode }) {
  const enabled = useEditor(action.enabled)
  const label = useEditor(action.label)
  return (
    <Tooltip label={`${label} (${action.keys[0]})`}>
      <ActionIcon aria-label={label} disabled={!enabled} onClick={() => action.perform(around)}>
        {icon}
      </ActionIcon>
    </Tooltip>
  )
}

function Name({ workflow }: { workflow: Workflow }) {
  const [text, setText] = useState<string | null>(null)
  const patch = usePatch(workflow.id)
  const commit = () => {
    const name = text?.trim()
    if (name && name !== workflow.name) patch.mutate({ name }, { onSettled: () => setText(null) })
    else setText(null)
  }
  return (
    <input
      className="name-input"
      aria-label="Workflow name"
      value={text ?? workflow.name}
      size={Math.max(6, (text ?? workflow.name).length)}
      onChange={({ currentTarget }) => setText(currentTarget.value)}
      onBlur={commit}
      onKeyDown={({ key, currentTarget }) => {
        if (key === 'Enter') currentTarget.blur()
        if (key === 'Escape') setText(null)
      }}
    />
  )
}
