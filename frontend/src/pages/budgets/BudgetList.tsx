import { Button } from '@mantine/core'
import { IconClockHour4, IconCoin, IconHourglassHigh } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'

import type { Budget } from '../../api/types'
import { useNow } from '../../ui/now'
import { formatUsd } from '../../util/money'
import { pages } from '../../util/paths'
import { formatFull, formatUntil } from '../../util/time'

import { BudgetMenu } from './BudgetMenu'
import { Meter } from './Meter'
import { TopUp } from './TopUp'
import { allowed, nameOf, periodWords } from './words'

export function BudgetList({ budgets, owner }: { budgets: Budget[]; owner: boolean }) {
  return (
    <ul className="budgets">
      {budgets.map((budget) => (
        <BudgetCard key={budget.id} budget={budget} owner={owner} />
      ))}
    </ul>
  )
}

function BudgetCard({ budget, owner }: { budget: Budget; owner: boolean }) {
  const [adding, setAdding] = useState(false)
  const limit = allowed(budget)
  const left = Math.max(0, limit - budget.spent_usd - budget.reserved_usd)
  return (
    <li className="budget" data-budget={budget.id}>
      <header className="budget-head">
        <h2 className="clip">
          {budget.workflow_id ? (
            <Link to="/workflows/$id" params={{ id: budget.workflow_id }} search={{}}>
              {nameOf(budget)}
            </Link>
          ) : (
            nameOf(budget)
          )}
        </h2>
        <span className="dim nowrap">
          {formatUsd(budget.limit_usd)} {periodWords[budget.period]}
        </span>
        <span className="grow" />
        {owner && (
          <>
            <Button
              variant={budget.waiting_steps > 0 ? 'filled' : 'default'}
              size="compact-sm"
              leftSection={<IconCoin size={14} />}
              onClick={() => setAdding(true)}
            >
              Add money
            </Button>
            <BudgetMenu budget={budget} />
          </>
        )}
      </header>
      <Meter
        spent={budget.spent_usd}
        reserved={budget.reserved_usd}
        limit={limit}
        label={`Spent of ${nameOf(budget)}`}
      />
      <dl className="budget-facts">
        <Fact name="Spent" value={formatUsd(budget.spent_usd)} mark="spent" />
        <Fact name="Set aside" value={formatUsd(budget.reserved_usd)} mark="aside" />
        <Fact name="Left" value={formatUsd(left)} />
        {budget.topped_up_usd > 0 && <Fact name="Added" value={`+${formatUsd(budget.topped_up_usd)}`} />}
      </dl>
      <footer className="budget-foot dim">
        <Resets budget={budget} />
        {budget.waiting_steps > 0 && (
          <Link
            to={pages.runs}
            search={{ status: 'waiting', workflow_id: budget.workflow_id ?? undefined }}
            className="budget-waits"
          >
            <IconHourglassHigh size={14} aria-hidden />
            {budget.waiting_steps === 1 ? '1 step waits for it' : `${budget.waiting_steps} steps wait for it`}
          </Link>
        )}
      </footer>
      {adding && <TopUp budget={budget} onClose={() => setAdding(false)} />}
    </li>
  )
}

function Resets({ budget }: { budget: Budget }) {
  const now = useNow(true)
  if (!budget.resets_at) return <span>Never begins anew</span>
  return (
    <span className="budget-resets" title={formatFull(budget.resets_at)}>
      <IconClockHour4 size={14} aria-hidden />
      Begins anew {formatUntil(budget.resets_at, now)}, at midnight in {budget.time_zone}
    </span>
  )
}

export function Fact({ name, value, mark }: { name: string; value: string; mark?: 'spent' | 'aside' }) {
  return (
    <div>
      <dt className="dim">
        {mark && <span className={`meter-key is-${mark}`} aria-hidden />}
        {name}
      </dt>
      <dd className="num">{value}</dd>
    </div>
  )
}
