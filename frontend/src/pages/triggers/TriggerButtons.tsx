import { Button } from '@mantine/core'
import { IconPencil, IconPlayerPause, IconPlayerPlay, IconRefresh } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'

import type { Trigger } from '../../api/types'

import { useTriggerActs } from './acts'

/** What can be done to the trigger that is open. */
export function TriggerButtons({ trigger }: { trigger: Trigger }) {
  const { pause, resume, rotate, isPending, dialog } = useTriggerActs(trigger)
  return (
    <div className="trigger-buttons">
      {rotate && (
        <Button variant="default" leftSection={<IconRefresh size={15} />} onClick={rotate}>
          New address
        </Button>
      )}
      {pause && (
        <Button variant="default" leftSection={<IconPlayerPause size={15} />} loading={isPending} onClick={pause}>
          Pause
        </Button>
      )}
      {resume && (
        <Button leftSection={<IconPlayerPlay size={15} />} onClick={resume}>
          Resume
        </Button>
      )}
      <Button
        variant="default"
        leftSection={<IconPencil size={15} />}
        renderRoot={(props) => (
          <Link
            {...props}
            to="/workflows/$id"
            params={{ id: trigger.workflow_id }}
            search={{ step: trigger.node_id }}
          />
        )}
      >
        Edit
      </Button>
      {dialog}
    </div>
  )
}
