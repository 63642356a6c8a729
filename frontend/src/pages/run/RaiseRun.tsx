import { notifications } from '@mantine/notifications'
import { useQueryClient } from '@tanstack/react-query'

import { topUpRun } from '../../api/moneyQueries'
import { formatUsd } from '../../util/money'
import { AddMoney } from '../budgets/AddMoney'

type Props = { runId: string; nodeId?: string; onClose: () => void }

/** Adds to what a run may spend, or one of its steps. */
export function RaiseRun({ runId, nodeId, onClose }: Props) {
  const client = useQueryClient()
  const add = async (amount_usd: number, note: string, key: string) => {
    await topUpRun(runId, { amount_usd, note, ...(nodeId && { node_id: nodeId }) }, key)
    await client.invalidateQueries({ queryKey: ['run', runId] })
    notifications.show({ message: `${formatUsd(amount_usd)} are added; what waits for it goes on.` })
  }
  const whose = nodeId ? 'this step' : 'this run'
  return (
    <AddMoney
      title={`Add to the budget of ${whose}`}
      about="Steps that wait for it go on at once, where they were. Budgets of the workspace and the workflow still hold."
      add={add}
      onClose={onClose}
    />
  )
}
