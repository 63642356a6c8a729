import {
  IconBan,
  IconCheck,
  IconChecks,
  IconCircleDashed,
  IconClockHour4,
  IconLoader2,
  IconMinus,
  IconPlayerPause,
  IconRefresh,
  IconX,
  type Icon,
} from '@tabler/icons-react'

import { Badge } from './Badge'

export type State =
  'pending' | 'running' | 'waiting' | 'retrying' | 'completed' | 'kept' | 'failed' | 'skipped' | 'cancelled' | 'paused'

// Exhaustive: a state that the server learns is a compile error here. Never by colour alone: icon and word differ too.
const looks: Record<State, { word: string; icon: Icon; tone: string }> = {
  pending: { word: 'Pending', icon: IconCircleDashed, tone: 'idle' },
  running: { word: 'Running', icon: IconLoader2, tone: 'running' },
  waiting: { word: 'Waiting', icon: IconClockHour4, tone: 'waiting' },
  retrying: { word: 'Retrying', icon: IconRefresh, tone: 'waiting' },
  completed: { word: 'Completed', icon: IconCheck, tone: 'success' },
  kept: { word: 'Kept', icon: IconChecks, tone: 'success' },
  failed: { word: 'Failed', icon: IconX, tone: 'failed' },
  skipped: { word: 'Skipped', icon: IconMinus, tone: 'idle' },
  cancelled: { word: 'Cancelled', icon: IconBan, tone: 'cancelled' },
  paused: { word: 'Paused', icon: IconPlayerPause, tone: 'waiting' },
}

export const stateWord = (state: State): string => looks[state].word
export const stateTone = (state: State): string => looks[state].tone

export function StateBadge({ state, className = '' }: { state: State; className?: string }) {
  const { word, icon, tone } = looks[state]
  return <Badge state={state} word={word} icon={icon} tone={tone} className={className} />
}
