import { ActionIcon, Textarea } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useState } from 'react'

import type { JsonObject, Problem, Schema, Workflow } from '../api/types'

import { concurrencySchema, settled } from './Concurrency'
import { SchemaForm } from './SchemaForm'
import './inspector.css'

const schema: Schema = {
  type: 'object',
  properties: {
    timeout_s: {
      title: 'Longest run (seconds)',
      description: 'Then the run fails and what is running is stopped. Without it a run may take as long as it needs.',
      type: 'integer',
      minimum: 1,
    },
    budget_usd: {
      title: 'Budget of a run (dollars)',
      description:
        'The most that one run may spend on models, with the runs that its steps start. Then it waits until somebody adds to it.',
      type: 'number',
      minimum: 0,
    },
    priority: {
      title: 'Priority',
      description:
        'Which runs go first when there are more than can be worked on. Whoever starts a run may say otherwise.',
      default: 'normal',
      oneOf: [
        { const: 'high', title: 'High: before the others' },
        { const: 'normal', title: 'Normal' },
        { const: 'low', title: 'Low: when nothing else is waiting' },
      ],
    },
    concurrency: concurrencySchema('runs of this workflow', 'Without it all its runs share one.'),
    on_failure: {
      title: 'When a run fails',
      description: 'This workflow is then run, whatever the cause; it is given the run and its error.',
      type: 'object',
      properties: { workflow: { title: 'Run', type: 'string', 'x-widget': 'workflow' } },
    },
  },
}

type Props = {
  workflow: Workflow
  settings: JsonObject
  problems: Problem[]
  onChange: (settings: JsonObject, path: string) => void
  onDescribe: (description: string) => void
  onClose: () => void
}

/** What belongs to the workflow and not to one of its steps. */
export function WorkflowSettings({ workflow, settings, problems, onChange, onDescribe, onClose }: Props) {
  const [text, setText] = useState(workflow.description ?? '')
  const set = ({ concurrency, ...rest }: JsonObject, path: string) => {
    const limit = settled(settings.concurrency, concurrency)
    onChange(limit === undefined ? rest : { ...rest, concurrency: limit }, path)
  }
  return (
    <aside className="inspector" aria-label="Settings of the workflow">
      <header className="inspector-head">
        <h2 className="grow">Workflow</h2>
        <ActionIcon aria-label="Close settings" onClick={onClose}>
          <IconX size={17} />
        </ActionIcon>
      </header>
      <div className="inspector-body">
        <Textarea
          label="Description"
          description="Shown in the list. It is saved at once and belongs to no version."
          autosize
          minRows={2}
          value={text}
          onChange={({ currentTarget }) => setText(currentTarget.value)}
          onBlur={() => text !== (workflow.description ?? '') && onDescribe(text)}
        />
        <SchemaForm root="settings" schema={schema} value={settings} problems={problems} onChange={set} />
      </div>
    </aside>
  )
}
