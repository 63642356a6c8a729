import { IconAlertTriangleFilled, IconStack2 } from '@tabler/icons-react'
import { Handle, Position, useStore, type NodeProps } from '@xyflow/react'
import { memo } from 'react'

import type { GraphNode, Json } from '../api/types'
import { NodeIcon } from '../ui/NodeIcon'
import { StateBadge } from '../ui/StateBadge'

import { titleOf } from './graph'
import { useMark, useProblems } from './marks'
import { errorPort, exitY, inputPort } from './ports'
import type { CardNode } from './view'

/** Below this zoom text cannot be read, so only the box and its state are drawn. */
const farZoom = 0.4

/** Handles are placed from inside the card's border, ports from outside. */
const border = 1

export const NodeCard = memo(function NodeCard({ id, data, selected }: NodeProps<CardNode>) {
  const { node, type, exits, open, errorWired, inside } = data
  const mark = useMark(id)
  const problems = useProblems(id)
  const far = useStore((state) => state.transform[2] < farZoom)
  const classes = [
    'card',
    selected && 'is-selected',
    type?.trigger && 'is-trigger',
    problems && 'has-problems',
    far && 'is-far',
  ]
  return (
    <div className={classes.filter(Boolean).join(' ')} data-state={mark?.state} data-testid={`node-${id}`}>
      {!type?.trigger && (
        <Handle type="target" id={inputPort} position={Position.Left} role="button" aria-label={`Into ${id}`} />
      )}
      {far ? <span className="card-far">{titleOf(node)}</span> : <Face data={data} />}
      {mark && !far && <StateBadge state={mark.state} className="card-badge" />}
      {problems && (
        <span className="card-problems" title={problems.join('\n')}>
          <IconAlertTriangleFilled size={12} aria-hidden /> {problems.length}
        </span>
      )}
      {inside !== null && !far && (
        <button type="button" className="card-inside nodrag" data-enter={id} tabIndex={-1}>
          <IconStack2 size={12} aria-hidden /> {inside === 0 ? 'No steps yet' : count(inside)}
        </button>
      )}
      {exits.map((port, index) => (
        <Handle
          key={port}
          type="source"
          id={port}
          position={Position.Right}
          style={{ top: exitY(exits, index) - border }}
          title={exits.length > 1 ? port : undefined}
          role="button"
          aria-label={`${port} of ${id}`}
        >
          {open.includes(port) && <span className="edge-label port-name">{port}</span>}
        </Handle>
      ))}
      <Handle
        type="source"
        id={errorPort}
        position={Position.Bottom}
        className={errorWired ? 'port-error is-wired' : 'port-error'}
        style={{ left: 'calc(100% - 28px)' }}
        title="error: taken when the step fails for good"
        role="button"
        aria-label={`error of ${id}`}
      />
    </div>
  )
})

const count = (steps: number): string => (steps === 1 ? '1 step inside' : `${steps} steps inside`)

function Face({ data: { node, type } }: Pick<NodeProps<CardNode>, 'data'>) {
  const mark = useMark(node.id)
  const summary = mark ? (mark.error ?? mark.line) : summaryOf(node)
  return (
    <>
      <span className="card-icon">
        <NodeIcon name={type?.icon} size={20} />
      </span>
      <span className="card-text">
        <span className="card-title">{titleOf(node)}</span>
        <span className="card-type">{node.type}</span>
        <span className={mark?.error ? 'card-line is-error' : 'card-line'}>{summary}</span>
      </span>
    </>
  )
}

/** The first parameters that say something, on one line; an id says nothing. */
function summaryOf(node: GraphNode): string {
  const params = Object.values(node.params ?? {})
  const says = (value: Json) =>
    typeof value === 'string' && value.trim() !== '' && !/^[a-z]+_[0-9a-z]{20,}$/i.test(value)
  const text = params.filter(says).slice(0, 2)
  return text.join(' ').replace(/\s+/g, ' ').slice(0, 60)
}
