import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconPlayerPlay, IconRepeat, IconTrash } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'

import { mayEdit } from '../../api/can'
import { errorText } from '../../api/client'
import { profileQuery } from '../../api/queries'
import { dropDelivery, releaseDelivery, replayDelivery } from '../../api/triggerQueries'
import type { Delivery } from '../../api/types'
import { isHeldByPause, reasonOf } from '../../triggers/words'
import { Notice } from '../../ui/Notice'
import { Prose } from '../../ui/Prose'

import { useRefresh } from './useRefresh'

type Props = { delivery: Delivery; onOpen: (id: string) => void }

/** Having a delivery played again, and letting one go or dropping one that is held back. */
export function DeliveryActs({ delivery, onOpen }: Props) {
  const profile = useQuery(profileQuery)
  const refresh = useRefresh()
  const replay = useMutation({
    mutationFn: () => replayDelivery(delivery.id),
    onSuccess: async (made) => {
      await refresh()
      notifications.show({ message: 'Replayed. This is the new delivery.' })
      onOpen(made.id)
    },
  })
  const release = useMutation({ mutationFn: () => releaseDelivery(delivery.id), onSuccess: refresh })
  const drop = useMutation({ mutationFn: () => dropDelivery(delivery.id), onSuccess: refresh })
  const editor = mayEdit(profile.data)
  const held = delivery.status === 'held'
  const kept = delivery.slot !== null || delivery.body_preview !== null
  const error = replay.error ?? release.error ?? drop.error
  return (
    <>
      {held && (
        <Notice tone="waiting">
          <Prose text={reasonOf(delivery)} />{' '}
          {isHeldByPause(delivery)
            ? 'Resume the trigger to decide about all that is held, or release this one alone.'
            : 'Read what it asks for before you release it: its run acts with the secrets of this workspace.'}
        </Notice>
      )}
      {error && <Notice>{errorText(error)}</Notice>}
      {editor && (
        <div className="delivery-acts">
          {held && (
            <Button
              leftSection={<IconPlayerPlay size={15} />}
              loading={release.isPending}
              onClick={() => release.mutate()}
            >
              Release
            </Button>
          )}
          {held && (
            <Button
              variant="default"
              leftSection={<IconTrash size={15} />}
              loading={drop.isPending}
              title="It begins no run"
              onClick={() => drop.mutate()}
            >
              Drop
            </Button>
          )}
          {!held && (
            <Button
              variant="default"
              leftSection={<IconRepeat size={15} />}
              loading={replay.isPending}
              disabled={!kept}
              title={
                kept ? 'As one that has just come, with a run of its own' : 'What came is not kept; have it sent again'
              }
              onClick={() => replay.mutate()}
            >
              Replay
            </Button>
          )}
        </div>
      )}
    </>
  )
}
