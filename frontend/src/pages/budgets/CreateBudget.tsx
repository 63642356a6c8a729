import { Button, Group, Modal, SegmentedControl, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { errorText } from '../../api/client'
import { budgetsQuery, createBudget } from '../../api/moneyQueries'
import type { BudgetPeriod } from '../../api/types'
import { Notice } from '../../ui/Notice'
import { WorkflowFilter } from '../triggers/WorkflowFilter'

import { isMoney, MoneyField } from './MoneyField'
import { ownZone } from './words'

const periods: { value: BudgetPeriod; label: string }[] = [
  { value: 'day', label: 'Day' },
  { value: 'week', label: 'Week' },
  { value: 'month', label: 'Month' },
  { value: 'total', label: 'In all' },
]

export function CreateBudget({ onClose }: { onClose: () => void }) {
  const client = useQueryClient()
  const [workflow, setWorkflow] = useState<string | undefined>()
  const [period, setPeriod] = useState<BudgetPeriod>('month')
  const [limit, setLimit] = useState<number | null>(null)
  const [zone, setZone] = useState(ownZone)
  const [asked, setAsked] = useState(false)
  const save = useMutation({
    mutationFn: (limit_usd: number) =>
      createBudget({
        period,
        limit_usd,
        ...(workflow && { workflow_id: workflow }),
        ...(period !== 'total' && { time_zone: zone }),
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: budgetsQuery.queryKey })
      notifications.show({ message: 'The budget holds from now on.' })
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setAsked(true)
    if (isMoney(limit)) save.mutate(limit)
  }
  return (
    <Modal opened onClose={onClose} title="Add a budget">
      <form className="form" noValidate onSubmit={submit}>
        <div className="budget-scope">
          <span className="mantine-InputWrapper-label">For</span>
          <WorkflowFilter value={workflow} onChange={setWorkflow} all="The whole workspace" />
        </div>
        <MoneyField
          label="Limit"
          description="What was spent since the period began counts already."
          value={limit}
          error={asked && !isMoney(limit) ? 'An amount of dollars, more than 0.' : null}
          onChange={setLimit}
        />
        <div className="budget-scope">
          <span className="mantine-InputWrapper-label">Each</span>
          <SegmentedControl
            size="xs"
            aria-label="Period"
            data={periods}
            value={period}
            onChange={(value) => setPeriod(value as BudgetPeriod)}
          />
        </div>
        {period !== 'total' && (
          <TextInput
            label="Time zone"
            description="The period begins at midnight there."
            spellCheck={false}
            value={zone}
            onChange={({ currentTarget }) => setZone(currentTarget.value)}
          />
        )}
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
