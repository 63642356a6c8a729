import { ActionIcon, Button, Group, Menu, Modal } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconDots, IconPencil, IconTrash } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { errorText } from '../../api/client'
import { budgetsQuery, changeBudget, deleteBudget } from '../../api/moneyQueries'
import type { Budget } from '../../api/types'
import { Notice } from '../../ui/Notice'

import { isMoney, MoneyField } from './MoneyField'
import { nameOf } from './words'

export function BudgetMenu({ budget }: { budget: Budget }) {
  const [asks, setAsks] = useState<'limit' | 'delete' | null>(null)
  const close = () => setAsks(null)
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon size={28} aria-label={`More for ${nameOf(budget)}`}>
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={15} />} onClick={() => setAsks('limit')}>
            Change the limit…
          </Menu.Item>
          <Menu.Item leftSection={<IconTrash size={15} />} color="red" onClick={() => setAsks('delete')}>
            Delete…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asks === 'limit' && <ChangeLimit budget={budget} onClose={close} />}
      {asks === 'delete' && <DeleteBudget budget={budget} onClose={close} />}
    </>
  )
}

type DialogProps = { budget: Budget; onClose: () => void }

function ChangeLimit({ budget, onClose }: DialogProps) {
  const client = useQueryClient()
  const [limit, setLimit] = useState<number | null>(budget.limit_usd)
  const save = useMutation({
    mutationFn: (dollars: number) => changeBudget(budget.id, dollars),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: budgetsQuery.queryKey })
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isMoney(limit)) save.mutate(limit)
  }
  return (
    <Modal opened onClose={onClose} title={`Limit of ${nameOf(budget)}`}>
      <form className="form" noValidate onSubmit={submit}>
        <MoneyField
          label="Limit"
          description="It holds at once, for this period and those after it."
          value={limit}
          error={isMoney(limit) ? null : 'An amount of dollars, more than 0.'}
          onChange={setLimit}
        />
        {save.error && <Notice>{errorText(save.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Not now
          </Button>
          <Button type="submit" loading={save.isPending}>
            Change
          </Button>
        </Group>
      </form>
    </Modal>
  )
}

function DeleteBudget({ budget, onClose }: DialogProps) {
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: () => deleteBudget(budget.id),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: budgetsQuery.queryKey })
      notifications.show({ message: 'The budget is deleted. What was spent stays in the usage.' })
      onClose()
    },
  })
  return (
    <Modal opened onClose={onClose} title="Delete this budget?">
      <div className="form">
        <p>
          Nothing is held back by it any more
          {budget.waiting_steps > 0 && `, and what waits for it goes on at once`}. What was spent stays in the usage.
        </p>
        {remove.error && <Notice>{errorText(remove.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it
          </Button>
          <Button className="is-danger" loading={remove.isPending} onClick={() => remove.mutate()}>
            Delete
          </Button>
        </Group>
      </div>
    </Modal>
  )
}
