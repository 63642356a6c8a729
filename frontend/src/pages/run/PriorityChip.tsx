import { IconArrowDown, IconArrowUp, type Icon } from '@tabler/icons-react'

import type { Priority } from '../../api/types'

const priorities: Record<Priority, { icon: Icon; label: string } | null> = {
  high: { icon: IconArrowUp, label: 'High priority' },
  normal: null,
  low: { icon: IconArrowDown, label: 'Low priority' },
}

/** Only what is not usual is said. */
export function PriorityChip({ priority }: { priority: Priority }) {
  const look = priorities[priority]
  if (!look) return null
  const { icon: Shape, label } = look
  return (
    <span className="chip chip-icon" title={label}>
      <Shape size={12} aria-hidden /> <span className="wide-only">{priority}</span>
      <span className="unseen">{label}</span>
    </span>
  )
}
