import { Button } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { mayBudget } from '../api/can'
import { errorText } from '../api/client'
import { budgetsQuery } from '../api/moneyQueries'
import { profileQuery } from '../api/queries'
import { Notice } from '../ui/Notice'

import { BudgetList } from './budgets/BudgetList'
import { CreateBudget } from './budgets/CreateBudget'
import { MoneyTabs } from './budgets/Tabs'
import './budgets/budgets.css'

/** What may be spent on models. A step that finds its budget used up waits, and goes on when there is money again. */
export function Budgets() {
  const profile = useQuery(profileQuery)
  const owner = mayBudget(profile.data)
  const { data: budgets, error } = useQuery(budgetsQuery)
  const [adding, setAdding] = useState(false)
  const add = owner && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
      Add a budget
    </Button>
  )
  return (
    <main className="page">
      <title>Budgets · FlowForge</title>
      <div className="list">
        <div className="list-inner">
          <div className="list-head">
            <h1>Budgets</h1>
            <MoneyTabs />
            <span className="grow" />
            {budgets && budgets.length > 0 && add}
          </div>
          <p className="dim money-lead">
            The most that steps may spend on models. Before each turn its highest price is set aside; a step that finds
            nothing left waits, and goes on where it was when there is money again.
          </p>
          {error && <Notice>{errorText(error)}</Notice>}
          {budgets?.length === 0 && (
            <div className="empty">
              <h2>No budgets yet</h2>
              <p className="dim">
                {owner
                  ? 'Nothing limits what steps spend but what their workflows say. Add a budget for the workspace, or for one workflow.'
                  : 'Nothing limits what steps spend but what their workflows say. An owner of the workspace adds budgets.'}
              </p>
              {add}
            </div>
          )}
          {budgets && budgets.length > 0 && <BudgetList budgets={budgets} owner={owner} />}
        </div>
      </div>
      {adding && <CreateBudget onClose={() => setAdding(false)} />}
    </main>
  )
}
