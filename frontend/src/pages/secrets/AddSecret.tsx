import { Button, Group, Modal, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { errorText } from '../../api/client'
import { createSecret, secretsQuery } from '../../api/secretQueries'
import { Notice } from '../../ui/Notice'

import { HostsField, ValueField } from './fields'
import { nameRefusal, valueRefusal } from './hosts'

export function AddSecret({ taken, onClose }: { taken: string[]; onClose: () => void }) {
  const client = useQueryClient()
  const [name, setName] = useState('')
  const [value, setValue] = useState('')
  const [hosts, setHosts] = useState<string[]>([])
  const [asked, setAsked] = useState(false)
  const wrongName = nameRefusal(name, taken)
  const wrongValue = valueRefusal(value)
  const save = useMutation({
    // The value is forgotten with the dialog.
    gcTime: 0,
    mutationFn: () => createSecret({ name, value, hosts }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: secretsQuery.queryKey })
      notifications.show({ message: `${name} is saved. Its value is not shown again.` })
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setAsked(true)
    if (!wrongName && !wrongValue) save.mutate()
  }
  return (
    <Modal opened onClose={onClose} title="Add a secret">
      <form className="form" noValidate onSubmit={submit}>
        <TextInput
          label="Name"
          withAsterisk
          data-autofocus
          placeholder="ORDERS_KEY"
          classNames={{ input: 'input-mono' }}
          spellCheck={false}
          autoComplete="off"
          value={name}
          error={asked && wrongName}
          onChange={({ currentTarget }) => setName(currentTarget.value)}
        />
        <ValueField value={value} error={asked ? wrongValue : null} onChange={setValue} />
        <HostsField value={hosts} onChange={setHosts} />
        {save.error && <Notice>{errorText(save.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Not now
          </Button>
          <Button type="submit" loading={save.isPending}>
            Add
          </Button>
        </Group>
      </form>
    </Modal>
  )
}
