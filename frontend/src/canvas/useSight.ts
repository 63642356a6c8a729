import { useReactFlow } from '@xyflow/react'
import { useMemo } from 'react'

import type { Graph } from '../api/types'

import { nodeById, nodeSize, type Point } from './graph'

const half = { x: nodeSize.width / 2, y: nodeSize.height / 2 }

export type Sight = {
  fit: () => void
  /** Where a new card's corner goes so that the card stands in the middle of what is seen. */
  middle: () => Point
  show: (id: string) => void
  /** Shows a step only when it is out of sight: the inspector, say, has just taken its place. */
  reveal: (id: string) => void
}

/** Looking around a canvas; `graphNow` says what is drawn on it. */
export function useSight(graphNow: () => Graph): Sight {
  const flow = useReactFlow()
  return useMemo(() => {
    const room = () => document.querySelector('.react-flow')?.getBoundingClientRect() ?? new DOMRect()
    const placeOf = (id: string) => nodeById(graphNow(), id)?.position
    const show = (id: string) => {
      const place = placeOf(id)
      const zoom = Math.max(flow.getZoom(), 0.8)
      if (place) void flow.setCenter(place.x + half.x, place.y + half.y, { zoom, duration: 120 })
    }
    // After the next paint the inspector stands where it will stand.
    const settled = (look: () => void) => requestAnimationFrame(() => requestAnimationFrame(look))
    const isSeen = ({ x, y }: Point) => {
      const { left, right, top, bottom } = room()
      const from = flow.flowToScreenPosition({ x, y })
      const to = flow.flowToScreenPosition({ x: x + nodeSize.width, y: y + nodeSize.height })
      return from.x >= left && to.x <= right && from.y >= top && to.y <= bottom
    }
    return {
      fit: () => settled(() => void flow.fitView({ padding: 0.15, maxZoom: 1 })),
      middle: () => {
        const { x, y, width, height } = room()
        const at = flow.screenToFlowPosition({ x: x + width / 2, y: y + height / 2 })
        return { x: at.x - half.x, y: at.y - half.y }
      },
      show: (id) => settled(() => show(id)),
      reveal: (id) =>
        settled(() => {
          const place = placeOf(id)
          if (place && !isSeen(place)) show(id)
        }),
    }
  }, [flow, graphNow])
}
