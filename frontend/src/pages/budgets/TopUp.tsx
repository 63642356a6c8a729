import { notifications } from '@mantine/notifications'
import { useQueryClient } from '@tanstack/react-query'

import { budgetsQuery, topUpBudget } from '../../api/moneyQueries'
import type { Budget } from '../../api/types'
import { formatUsd } from '../../util/money'

import { AddMoney } from './AddMoney'
import { nameOf } from './words'

/** Adds to the current period of a budget. */
export function TopUp({ budget, onClose }: { budget: Budget; onClose: () => void }) {
  const client = useQueryClient()
  const add = async (amount_usd: number, note: string, key: string) => {
    await topUpBudget(budget.id, { amount_usd, note }, key)
    await client.invalidateQueries({ queryKey: budgetsQuery.queryKey })
    notifications.show({ message: `${formatUsd(amount_usd)} are added.` })
  }
  const once = budget.period === 'total' ? '' : ' It counts for the current period only; the limit stays as it is.'
  const wakes = budget.waiting_steps > 0 ? ' Steps that wait for it go on at once.' : ''
  return (
    <AddMoney
      title={`Add to ${nameOf(budget)}`}
      about={`${once}${wakes}`.trim() || 'It is added to the limit.'}
      add={add}
      onClose={onClose}
    />
  )
}
