import { Button, Group, Modal } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation } from '@tanstack/react-query'

import { errorText } from '../../api/client'
import { rotateTrigger } from '../../api/triggerQueries'
import type { Trigger } from '../../api/types'
import { Notice } from '../../ui/Notice'

import { useRefresh } from './useRefresh'

/** A new address takes the old one away at once, so it is confirmed. */
export function RotateDialog({ trigger, onClose }: { trigger: Trigger; onClose: () => void }) {
  const refresh = useRefresh()
  const rotate = useMutation({
    mutationFn: () => rotateTrigger(trigger.id),
    onSuccess: async () => {
      await refresh()
      notifications.show({ message: 'The trigger has a new address. Give it to whoever calls.' })
      onClose()
    },
  })
  return (
    <Modal opened onClose={onClose} title="Give it a new address?">
      <div className="form">
        <p>
          The old address of <strong>{trigger.workflow_name}</strong> and its test address answer nobody from that
          moment: whoever calls gets 404 until they have the new one. Deliveries that came stay as they are.
        </p>
        {rotate.error && <Notice>{errorText(rotate.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep the old one
          </Button>
          <Button className="is-danger" loading={rotate.isPending} onClick={() => rotate.mutate()}>
            New address
          </Button>
        </Group>
      </div>
    </Modal>
  )
}
