import { BaseEdge, EdgeLabelRenderer, getBezierPath, Position, type EdgeProps } from '@xyflow/react'
import { memo } from 'react'

import { useTaken } from './marks'
import type { LineEdge } from './view'

export const EdgeLine = memo(function EdgeLine(props: EdgeProps<LineEdge>) {
  const { sourceX, sourceY, sourcePosition, data, selected } = props
  const taken = useTaken(props.id)
  const [path] = getBezierPath(props)
  const down = sourcePosition === Position.Bottom
  const [x, y] = down ? [sourceX, sourceY + 16] : [sourceX + 12, sourceY]
  return (
    <>
      <BaseEdge path={path} interactionWidth={20} className={taken ? 'is-taken' : undefined} />
      {data?.label && (
        <EdgeLabelRenderer>
          <span
            className={`edge-label${selected ? ' is-selected' : ''}${data.lost ? ' is-lost' : ''}`}
            title={data.lost ? `The step has no exit ${data.label} any more` : undefined}
            style={{ transform: `translate(${x}px, ${y}px) ${down ? 'translate(-50%, -50%)' : 'translateY(-50%)'}` }}
          >
            {data.label}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  )
})
