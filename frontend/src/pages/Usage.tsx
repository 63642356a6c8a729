import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'

import { errorText } from '../api/client'
import { usageQuery } from '../api/moneyQueries'
import type { Usage as Answer, UsageBy } from '../api/types'
import { Notice } from '../ui/Notice'
import { formatCount, formatUsd } from '../util/money'

import { Fact } from './budgets/BudgetList'
import { daysFrom, filled } from './budgets/days'
import { MoneyTabs } from './budgets/Tabs'
import { UsageChart } from './budgets/UsageChart'
import { UsageTable } from './budgets/UsageTable'
import { byWords, ownZone } from './budgets/words'
import './budgets/budgets.css'

const bys: UsageBy[] = ['workflow', 'node', 'model', 'user', 'run', 'day']
const ranges = [7, 30, 90]

/** What was spent on models, and by whom. */
export function Usage() {
  const { by = 'workflow', days = 30 } = useSearch({ from: '/inside/usage' })
  const navigate = useNavigate({ from: '/usage' })
  const [zone] = useState(ownZone)
  const [today] = useState(() => new Date())
  const from = daysFrom(today, days)
  const perDay = useQuery(usageQuery('day', from, zone))
  const lines = useQuery(usageQuery(by, from, zone))
  const error = perDay.error ?? lines.error
  const nothing = perDay.data?.total.turns === 0
  return (
    <main className="page">
      <title>Usage · FlowForge</title>
      <div className="list">
        <div className="list-inner">
          <div className="list-head">
            <h1>Usage</h1>
            <MoneyTabs />
            <span className="grow" />
            <SegmentedControl
              size="xs"
              aria-label="Days"
              data={ranges.map((value) => ({ value: String(value), label: `${value} days` }))}
              value={String(days)}
              onChange={(value) => void navigate({ search: (old) => ({ ...old, days: Number(value) }) })}
            />
          </div>
          {error && <Notice>{errorText(error)}</Notice>}
          {nothing && (
            <div className="empty">
              <h2>Nothing was spent</h2>
              <p className="dim">No step has paid for a turn of a model in these {days} days.</p>
            </div>
          )}
          {perDay.data && !nothing && (
            <>
              <Totals usage={perDay.data} />
              <UsageChart lines={filled(perDay.data.items, today, days)} />
              <SegmentedControl
                size="xs"
                className="usage-by"
                aria-label="By"
                data={bys.map((value) => ({ value, label: byWords[value] }))}
                value={by}
                onChange={(value) => void navigate({ search: (old) => ({ ...old, by: value as UsageBy }) })}
              />
              {lines.data && <UsageTable by={by} lines={lines.data.items} total={lines.data.total} />}
            </>
          )}
        </div>
      </div>
    </main>
  )
}

function Totals({ usage: { total } }: { usage: Answer }) {
  const { tokens } = total
  return (
    <dl className="budget-facts usage-totals">
      <Fact name="Cost" value={formatUsd(total.cost_usd)} />
      <Fact name="Turns" value={formatCount(total.turns)} />
      <Fact name="Tokens read" value={formatCount(tokens.input + tokens.cache_read + tokens.cache_write)} />
      <Fact name="Tokens written" value={formatCount(tokens.output)} />
      {total.estimated_usd > 0 && <Fact name="Of that estimated" value={formatUsd(total.estimated_usd)} />}
    </dl>
  )
}
