import { Button, Group, Modal } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { errorText } from '../../api/client'
import { changeSecret, secretsQuery } from '../../api/secretQueries'
import type { Secret } from '../../api/types'
import { Notice } from '../../ui/Notice'

import { HostsField, ValueField } from './fields'
import { isWider, valueRefusal } from './hosts'

type Props = { secret: Secret; what: 'value' | 'hosts'; onClose: () => void }

/** A new value, or other hosts for it; further hosts are given by who knows the value. */
export function ChangeSecret({ secret, what, onClose }: Props) {
  const client = useQueryClient()
  const [value, setValue] = useState('')
  const [hosts, setHosts] = useState(secret.hosts)
  const [asked, setAsked] = useState(false)
  const wider = what === 'hosts' && isWider(secret.hosts, hosts)
  const needsValue = what === 'value' || wider
  const wrong = needsValue ? valueRefusal(value) : null
  const save = useMutation({
    // The value is forgotten with the dialog.
    gcTime: 0,
    mutationFn: () => changeSecret(secret.name, { ...(needsValue && { value }), ...(what === 'hosts' && { hosts }) }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: secretsQuery.queryKey })
      notifications.show({ message: `${secret.name} is changed. What begins from now on uses it so.` })
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setAsked(true)
    if (!wrong) save.mutate()
  }
  return (
    <Modal opened onClose={onClose} title={what === 'value' ? `Replace ${secret.name}` : `Hosts of ${secret.name}`}>
      <form className="form" noValidate onSubmit={submit}>
        {what === 'value' ? (
          <p className="dim">
            The value before is gone for good. Steps that begin from now on use the new one; its hosts stay as they are.
          </p>
        ) : (
          <HostsField value={hosts} onChange={setHosts} />
        )}
        {wider && <Notice tone="waiting">The value may then be sent to further hosts, so give it once more.</Notice>}
        {needsValue && (
          <ValueField
            label={what === 'value' ? 'New value' : 'Value'}
            value={value}
            error={asked ? wrong : null}
            onChange={setValue}
          />
        )}
        {save.error && <Notice>{errorText(save.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Not now
          </Button>
          <Button type="submit" loading={save.isPending}>
            {what === 'value' ? 'Replace' : 'Save'}
          </Button>
        </Group>
      </form>
    </Modal>
  )
}
