import { notifications } from '@mantine/notifications'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'

import { mayEdit } from '../../api/can'
import { errorText } from '../../api/client'
import { profileQuery } from '../../api/queries'
import { pauseTrigger } from '../../api/triggerQueries'
import type { Trigger } from '../../api/types'

import { ResumeDialog } from './ResumeDialog'
import { RotateDialog } from './RotateDialog'
import { useRefresh } from './useRefresh'

export type TriggerActs = {
  /** Absent where they mean nothing, or the visitor may only look. */
  pause?: () => void
  resume?: () => void
  rotate?: () => void
  isPending: boolean
  dialog: ReactNode
}

/** What can be done to a trigger, and the dialog that one of these asks in. */
export function useTriggerActs(trigger: Trigger): TriggerActs {
  const profile = useQuery(profileQuery)
  const refresh = useRefresh()
  const [asks, setAsks] = useState<'resume' | 'rotate' | null>(null)
  const pause = useMutation({
    mutationFn: () => pauseTrigger(trigger.id),
    onSuccess: refresh,
    onError: (error) => notifications.show({ color: 'red', title: 'Not paused', message: errorText(error) }),
  })
  const close = () => setAsks(null)
  const dialog =
    asks === 'resume' ? (
      <ResumeDialog trigger={trigger} onClose={close} />
    ) : (
      asks === 'rotate' && <RotateDialog trigger={trigger} onClose={close} />
    )
  if (!mayEdit(profile.data)) return { isPending: false, dialog: null }
  return {
    pause: trigger.status === 'active' && !trigger.paused_at ? () => pause.mutate() : undefined,
    resume: trigger.paused_at ? () => setAsks('resume') : undefined,
    rotate: trigger.url ? () => setAsks('rotate') : undefined,
    isPending: pause.isPending,
    dialog,
  }
}
