import { Button, Group, Modal, Radio, Stack } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { useState } from 'react'

import { errorText } from '../../api/client'
import { deliveriesQuery, resumeTrigger } from '../../api/triggerQueries'
import type { Held, Trigger } from '../../api/types'
import { isHeldByPause } from '../../triggers/words'
import { Notice } from '../../ui/Notice'

import { useRefresh } from './useRefresh'

type Props = { trigger: Trigger; onClose: () => void }

/** Resuming decides what becomes of what came meanwhile, so it asks. */
export function ResumeDialog({ trigger, onClose }: Props) {
  const refresh = useRefresh()
  const [held, setHeld] = useState<Held>('start')
  const isSchedule = trigger.kind === 'schedule'
  const count = useHeldBack(trigger, !isSchedule)
  const resume = useMutation({
    mutationFn: () => resumeTrigger(trigger.id, held),
    onSuccess: async ({ held: many }) => {
      await refresh()
      const what = held === 'start' ? 'begin their runs now' : 'were dropped'
      notifications.show({ message: many ? `Resumed. ${deliveries(many)} ${what}.` : 'Resumed.' })
      onClose()
    },
  })
  return (
    <Modal opened onClose={onClose} title="Resume the trigger">
      <div className="form">
        {isSchedule ? (
          <p>
            Slots that passed while it was paused count as missed: its policy decides whether any of them fires now.
          </p>
        ) : (
          <Radio.Group
            label={count ? `${count} came while it was paused` : 'What came while it was paused'}
            value={held}
            onChange={(next) => setHeld(next === 'drop' ? 'drop' : 'start')}
          >
            <Stack gap={8} mt={8}>
              <Radio size="sm" value="start" label="Start the runs" description="Each begins its run now." />
              <Radio size="sm" value="drop" label="Drop them" description="They stay in the list as skipped." />
            </Stack>
          </Radio.Group>
        )}
        {resume.error && <Notice>{errorText(resume.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Not now
          </Button>
          <Button loading={resume.isPending} onClick={() => resume.mutate()} data-autofocus>
            Resume
          </Button>
        </Group>
      </div>
    </Modal>
  )
}

const deliveries = (count: number | string): string => (count === 1 ? '1 delivery' : `${count} deliveries`)

/** How many deliveries resuming decides about; "50+ deliveries" when the first page of them is not all. */
function useHeldBack({ id }: Trigger, enabled: boolean): string {
  const { data } = useInfiniteQuery({ ...deliveriesQuery({ trigger_id: id, status: 'held' }), enabled })
  const count = data?.pages.flatMap((page) => page.items).filter(isHeldByPause).length ?? 0
  if (!count) return ''
  return deliveries(data?.pages.at(-1)?.next_cursor ? `${count}+` : count)
}
