import { Button } from '@mantine/core'
import {
  IconAlertTriangle,
  IconClockHour4,
  IconCoin,
  IconGitMerge,
  IconHandStop,
  IconHourglassHigh,
  IconLoader2,
  IconPlayerPause,
  IconStack2,
  IconTrafficLights,
  IconUserCheck,
  type Icon,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'

import { whyQuery } from '../../api/runQueries'
import type { Reason } from '../../api/types'
import { sentenceOf } from '../../runs/why'

type Props = {
  runId: string
  /** Changes when the run has news, so that it is asked anew. */
  moment: string
  now: number
  nameOf: (nodeId: string) => string
  onShow: (nodeId: string) => void
}

const icons: Partial<Record<Reason['kind'], Icon>> = {
  owned: IconLoader2,
  step_lease: IconLoader2,
  inbox: IconLoader2,
  timer: IconClockHour4,
  approval: IconUserCheck,
  funds: IconCoin,
  signal: IconHandStop,
  children: IconStack2,
  resolutions: IconGitMerge,
  paused: IconPlayerPause,
  blocked: IconTrafficLights,
  step_blocked: IconTrafficLights,
  none: IconAlertTriangle,
}

const acts: Partial<Record<Reason['kind'], string>> = {
  approval: 'Decide',
  funds: 'Add money',
  signal: 'Answer',
  children: 'Show the items',
  resolutions: 'Resolve',
}

/** One sentence that says why the run stands where it stands. */
export function WhyLine({ runId, moment, now, nameOf, onShow }: Props) {
  const { data, error } = useQuery(whyQuery(runId, moment))
  if (!data && error) return null
  if (!data || data.reason.kind === 'finished') return <div className="why" />
  const { kind } = data.reason
  const { text, tone, nodeId } = sentenceOf(data.reason, now, nameOf)
  const Shape = icons[kind] ?? IconHourglassHigh
  return (
    <div className="why" data-tone={tone} data-testid="why" data-kind={kind}>
      <Shape size={16} aria-hidden />
      <span className="why-text" role="status">
        {text}
      </span>
      {nodeId !== null && (
        <Button variant="subtle" size="compact-sm" className="why-act" onClick={() => onShow(nodeId)}>
          {acts[kind] ?? 'Show the step'}
        </Button>
      )}
    </div>
  )
}
