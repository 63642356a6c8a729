import { ActionIcon, Menu } from '@mantine/core'
import { IconDots, IconKey, IconTrash, IconWorld } from '@tabler/icons-react'
import { useState } from 'react'

import type { Secret } from '../../api/types'

import { ChangeSecret } from './ChangeSecret'
import { DeleteSecret } from './DeleteSecret'

export function SecretMenu({ secret }: { secret: Secret }) {
  const [asks, setAsks] = useState<'value' | 'hosts' | 'delete' | null>(null)
  const close = () => setAsks(null)
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon size={28} aria-label={`More for ${secret.name}`}>
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconKey size={15} />} onClick={() => setAsks('value')}>
            Replace the value…
          </Menu.Item>
          <Menu.Item leftSection={<IconWorld size={15} />} onClick={() => setAsks('hosts')}>
            Edit the hosts…
          </Menu.Item>
          <Menu.Item leftSection={<IconTrash size={15} />} color="red" onClick={() => setAsks('delete')}>
            Delete…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asks === 'delete' && <DeleteSecret secret={secret} onClose={close} />}
      {(asks === 'value' || asks === 'hosts') && <ChangeSecret secret={secret} what={asks} onClose={close} />}
    </>
  )
}
