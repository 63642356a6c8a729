import { Button, Input, SegmentedControl } from '@mantine/core'
import { IconArrowRight, IconStack2 } from '@tabler/icons-react'
import { useState } from 'react'

import type { JsonObject, Problem, Schema } from '../api/types'
import { Prose } from '../ui/Prose'

import { fieldId, fieldPath, SchemaForm } from './SchemaForm'

export type BodyProps = {
  /** The parameter that holds the graph. */
  param: string
  /** What its steps are called, in the order of the document. */
  titles: string[]
  onEnter: () => void
}

/** The parameters that say which workflow takes the place of the steps. */
export const forWorkflow: readonly string[] = ['workflow', 'version']

type Props = BodyProps & {
  schema: Schema
  value: JsonObject
  problems: Problem[]
  onChange?: (params: JsonObject, path: string) => void
}

/** What is done for each item: steps of this step's own, or another workflow. */
export function Body({ param, titles, onEnter, schema, value, problems, onChange }: Props) {
  const [wantsWorkflow, setWantsWorkflow] = useState(false)
  const called = schema.properties?.workflow
  const byWorkflow = called !== undefined && (wantsWorkflow || value.workflow !== undefined)
  const own = problems.filter(({ field }) => field && fieldPath(field).startsWith(`params.${param}`))
  const choose = (choice: string) => {
    setWantsWorkflow(choice === 'workflow')
    const { workflow, version: _, ...rest } = value
    if (choice === 'steps' && workflow !== undefined) onChange?.(rest, 'params.workflow')
  }
  // The server takes one of the two; undo brings the steps back.
  const setWorkflow = (next: JsonObject, path: string) => {
    const { [param]: body, ...rest } = next
    onChange?.(next.workflow === undefined && body !== undefined ? next : rest, path)
  }
  const fields = forWorkflow.flatMap((name) => (schema.properties?.[name] ? [[name, schema.properties[name]]] : []))
  return (
    <div className="form">
      <Input.Wrapper
        label="For each item"
        error={own.length ? <Prose text={own.map(({ message }) => message).join('\n')} /> : undefined}
      >
        <div className="field-body">
          {called !== undefined && (
            <SegmentedControl
              size="xs"
              fullWidth
              className="whole"
              aria-label="For each item"
              disabled={!onChange}
              data={[
                { value: 'steps', label: 'Run steps' },
                { value: 'workflow', label: 'Run a workflow' },
              ]}
              value={byWorkflow ? 'workflow' : 'steps'}
              onChange={choose}
            />
          )}
          {!byWorkflow && (
            <button type="button" className="body-open" id={fieldId(`params.${param}`)} onClick={onEnter}>
              <IconStack2 size={18} aria-hidden />
              <span className="grow">
                <span className="body-count">{countOf(titles.length)}</span>
                <span className="dim body-titles">{said(titles)}</span>
              </span>
              <IconArrowRight size={16} aria-hidden />
            </button>
          )}
        </div>
      </Input.Wrapper>
      {byWorkflow && (
        <SchemaForm
          root="params"
          schema={{ ...schema, properties: Object.fromEntries(fields), required: ['workflow'] }}
          value={value}
          problems={problems}
          onChange={onChange && setWorkflow}
        />
      )}
      {byWorkflow && titles.length > 0 && value.workflow === undefined && (
        <p className="group-help">
          Choosing a workflow takes the {countOf(titles.length)} away; undo brings them back.{' '}
          <Button variant="subtle" size="compact-xs" onClick={() => choose('steps')}>
            Keep them
          </Button>
        </p>
      )}
    </div>
  )
}

const countOf = (steps: number): string => (steps === 0 ? 'No steps yet' : steps === 1 ? '1 step' : `${steps} steps`)

const most = 4

function said(titles: string[]): string {
  if (!titles.length) return 'Open to draw what is done for each item'
  const shown = titles.slice(0, most).join(', ')
  return titles.length > most ? `${shown} and ${titles.length - most} more` : shown
}
