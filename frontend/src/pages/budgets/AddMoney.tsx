import { Button, Group, Modal, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState, type FormEvent, type ReactNode } from 'react'

import { errorText } from '../../api/client'
import { Notice } from '../../ui/Notice'
import { randomKey } from '../../util/random'

import { isMoney, MoneyField } from './MoneyField'

type Props = {
  title: string
  about: ReactNode
  /** Adds it; `key` is the same for every try of one dialog. */
  add: (amount_usd: number, note: string, key: string) => Promise<unknown>
  onClose: () => void
}

/** Asks how much is to be added. */
export function AddMoney({ title, about, add, onClose }: Props) {
  const [amount, setAmount] = useState<number | null>(null)
  const [note, setNote] = useState('')
  const [asked, setAsked] = useState(false)
  const [tries, setTries] = useState<{ said: string; key: string } | null>(null)
  const save = useMutation({
    mutationFn: ({ dollars, key }: { dollars: number; key: string }) => add(dollars, note, key),
    onSuccess: onClose,
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setAsked(true)
    if (!isMoney(amount)) return
    // Another amount is another request, which the server would refuse under the key of the first.
    const said = `${amount} ${note}`
    const next = tries?.said === said ? tries : { said, key: randomKey() }
    setTries(next)
    save.mutate({ dollars: amount, key: next.key })
  }
  return (
    <Modal opened onClose={onClose} title={title}>
      <form className="form" noValidate onSubmit={submit}>
        <p className="dim">{about}</p>
        <MoneyField
          label="Amount"
          value={amount}
          error={asked && !isMoney(amount) ? 'An amount of dollars, more than 0.' : null}
          onChange={setAmount}
        />
        <TextInput
          label="Note"
          placeholder="Why, for those who look later"
          maxLength={500}
          value={note}
          onChange={({ currentTarget }) => setNote(currentTarget.value)}
        />
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
