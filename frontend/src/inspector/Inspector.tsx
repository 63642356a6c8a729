import { ActionIcon, Textarea, TextInput, Tooltip } from '@mantine/core'
import { IconTrash, IconX } from '@tabler/icons-react'
import { useState, type ReactNode } from 'react'

import type { GraphNode, NodeType, Problem } from '../api/types'
import { NodeIcon } from '../ui/NodeIcon'
import { Prose } from '../ui/Prose'

import type { BodyProps } from './Body'
import { Concurrency } from './Concurrency'
import { ErrorHandling } from './ErrorHandling'
import { Params } from './Params'
import { fieldId } from './SchemaForm'
import './inspector.css'

type Props = {
  node: GraphNode
  type: NodeType | undefined
  problems: Problem[]
  /** The graph that the step holds, if it can hold one. */
  body?: BodyProps
  /** What is known about the step beside its parameters, above and below them. */
  lead?: ReactNode
  about?: ReactNode
  /** Absent where the document is only looked at. */
  onChange?: (patch: Partial<GraphNode>, label: string, path: string) => void
  onRename?: (id: string) => boolean
  onRemove?: () => void
  onClose: () => void
}

/** One step's settings, beside the canvas rather than over it. */
export function Inspector({ node, type, problems, body, lead, about, onChange, onRename, onRemove, onClose }: Props) {
  const title = node.name || node.id
  const loose = problems.filter((problem) => !problem.field)
  return (
    <aside
      className="inspector"
      aria-label={`Settings of ${title}`}
      onKeyDown={(event) => event.key === 'Escape' && !isOpenList(event.target) && onClose()}
    >
      <header className="inspector-head">
        <NodeIcon name={type?.icon} size={20} />
        <div className="grow">
          <h2 className="clip">{title}</h2>
          <p className="inspector-type clip">{node.type}</p>
        </div>
        {onRemove && (
          <Tooltip label="Delete step">
            <ActionIcon aria-label="Delete step" onClick={onRemove}>
              <IconTrash size={17} />
            </ActionIcon>
          </Tooltip>
        )}
        <Tooltip label="Close">
          <ActionIcon aria-label="Close settings" onClick={onClose}>
            <IconX size={17} />
          </ActionIcon>
        </Tooltip>
      </header>
      <div className="inspector-body">
        {type ? (
          <p className="dim">
            <Prose text={type.description} />
          </p>
        ) : (
          <p className="group-error">This server does not know the type {node.type}.</p>
        )}
        {loose.map((problem) => (
          <p key={problem.code + problem.message} className="group-error" role="alert">
            <Prose text={problem.message} />
          </p>
        ))}
        <div className="two">
          <TextInput
            id={fieldId('name')}
            label="Name"
            placeholder={node.id}
            value={node.name ?? ''}
            disabled={!onChange}
            onChange={({ currentTarget }) =>
              onChange?.({ name: currentTarget.value || undefined }, 'Rename step', 'name')
            }
          />
          <IdField key={node.id} id={node.id} onRename={onRename} />
        </div>
        {lead}
        {type && (
          <Params
            node={node}
            type={type}
            problems={problems}
            body={body}
            onChange={onChange && ((params, path) => onChange({ params }, `Change ${wordsOf(path)}`, path))}
          />
        )}
        {about}
        {!type?.trigger && (
          <div>
            <ErrorHandling node={node} problems={problems} onChange={onChange} />
            <Concurrency node={node} problems={problems} onChange={onChange} />
          </div>
        )}
        <Textarea
          id={fieldId('notes')}
          label="Notes"
          placeholder="What the next reader should know"
          autosize
          minRows={2}
          value={node.notes ?? ''}
          disabled={!onChange}
          onChange={({ currentTarget }) =>
            onChange?.({ notes: currentTarget.value || undefined }, 'Change notes', 'notes')
          }
        />
      </div>
    </aside>
  )
}

/** "params.cases.0.port" is the port of one of the cases, and the history says "cases". */
const wordsOf = (path: string): string => (path.split('.')[1] ?? '').replaceAll('_', ' ')

/** Escape closes an open list of choices first, and the settings only after that. */
const isOpenList = (target: EventTarget): boolean =>
  target instanceof HTMLElement && target.getAttribute('aria-expanded') === 'true'

/** The id is changed when the field is left: half an id would rewrite every reference on each key. */
function IdField({ id, onRename }: { id: string; onRename: Props['onRename'] }) {
  const [text, setText] = useState(id)
  const [refused, setRefused] = useState(false)
  const commit = () => {
    if (text !== id) setRefused(!onRename?.(text))
  }
  return (
    <TextInput
      id={fieldId('id')}
      label="Id"
      value={text}
      disabled={!onRename}
      error={refused ? 'Letters, digits and _; not taken yet.' : undefined}
      classNames={{ input: 'input-mono' }}
      spellCheck={false}
      onChange={({ currentTarget }) => setText(currentTarget.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  )
}
