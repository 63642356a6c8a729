import { Button } from '@mantine/core'
import { IconCoin } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'

import { mayBudget, mayEdit } from '../../api/can'
import { budgetsQuery } from '../../api/moneyQueries'
import { profileQuery } from '../../api/queries'
import type { Funds } from '../../api/types'
import { shortageText } from '../../runs/why'
import { pages } from '../../util/paths'
import { Meter } from '../budgets/Meter'
import { TopUp } from '../budgets/TopUp'
import '../budgets/budgets.css'

import { RaiseRun } from './RaiseRun'

type Props = { runId: string; nodeId: string; funds: Funds; now: number }

/** Which budget is used up, and a way to add to it for those who may. */
export function Shortage({ runId, nodeId, funds, now }: Props) {
  const profile = useQuery(profileQuery)
  const [raising, setRaising] = useState(false)
  const own = funds.budget === 'run' || funds.budget === 'step'
  const above = funds.budget === 'run' && funds.scope !== 'run'
  const budgets = useQuery({ ...budgetsQuery, enabled: !own })
  const budget = budgets.data?.find(({ id }) => id === funds.budget)
  const may = own ? mayEdit(profile.data) && !above : mayBudget(profile.data) && budget !== undefined
  const close = () => setRaising(false)
  return (
    <section className="approval" aria-label="Waits for money">
      <header>
        <h3 className="approval-title">Waits for money</h3>
        <p className="dim">{shortageText(funds, now)}</p>
      </header>
      <Meter
        spent={funds.spent_usd}
        reserved={funds.reserved_usd}
        limit={funds.limit_usd}
        label="Spent of the budget"
      />
      {above && <p className="dim">The run that has started this one has the budget: add to it there.</p>}
      <div className="cost-line">
        {may && (
          <Button leftSection={<IconCoin size={15} />} onClick={() => setRaising(true)}>
            Add money
          </Button>
        )}
        {!own && <Link to={pages.budgets}>All budgets</Link>}
      </div>
      {raising && own && (
        <RaiseRun runId={runId} nodeId={funds.budget === 'step' ? nodeId : undefined} onClose={close} />
      )}
      {raising && budget && <TopUp budget={budget} onClose={close} />}
    </section>
  )
}
