import { ActionIcon, Menu } from '@mantine/core'
import { IconDots, IconPencil, IconPlayerPause, IconPlayerPlay, IconRefresh } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'

import type { Trigger } from '../../api/types'

import { useTriggerActs } from './acts'

/** What can be done to a trigger without opening it. */
export function TriggerMenu({ trigger }: { trigger: Trigger }) {
  const navigate = useNavigate()
  const { pause, resume, rotate, isPending, dialog } = useTriggerActs(trigger)
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon
            size={28}
            aria-label={`More for ${trigger.node_id} of ${trigger.workflow_name}`}
            loading={isPending}
          >
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<IconPencil size={15} />}
            onClick={() =>
              void navigate({
                to: '/workflows/$id',
                params: { id: trigger.workflow_id },
                search: { step: trigger.node_id },
              })
            }
          >
            Edit
          </Menu.Item>
          {pause && (
            <Menu.Item leftSection={<IconPlayerPause size={15} />} onClick={pause}>
              Pause
            </Menu.Item>
          )}
          {resume && (
            <Menu.Item leftSection={<IconPlayerPlay size={15} />} onClick={resume}>
              Resume…
            </Menu.Item>
          )}
          {rotate && (
            <Menu.Item leftSection={<IconRefresh size={15} />} onClick={rotate}>
              New address…
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      {dialog}
    </>
  )
}
