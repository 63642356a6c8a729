import { Button } from '@mantine/core'
import { IconCoin } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { mayEdit, runCan } from '../../api/can'
import { errorText } from '../../api/client'
import { runBudgetQuery } from '../../api/moneyQueries'
import { profileQuery } from '../../api/queries'
import type { Run, RunBudget, StepCost } from '../../api/types'
import { Loading } from '../../ui/Loading'
import { Notice } from '../../ui/Notice'
import { formatCount, formatUsd } from '../../util/money'
import { formatFull } from '../../util/time'
import { Fact } from '../budgets/BudgetList'
import { Meter } from '../budgets/Meter'
import '../budgets/budgets.css'

import { RaiseRun } from './RaiseRun'

type Props = { run: Run; live: boolean; nameOf: (nodeId: string) => string; onChoose: (key: string) => void }

/** What the run has spent, step by step, and how much more it may. */
export function Costs({ run, live, nameOf, onChoose }: Props) {
  const { data, error } = useQuery(runBudgetQuery(run.id, live))
  if (error) return <Notice>{errorText(error)}</Notice>
  if (!data) return <Loading />
  if (data.budget_usd === null && data.steps.length === 0)
    return <p className="panel-none">No step of this run has paid for a turn of a model.</p>
  return (
    <div className="costs">
      <Cap run={run} budget={data} />
      {data.steps.length > 0 && <Steps steps={data.steps} nameOf={nameOf} onChoose={onChoose} />}
      {data.top_ups.length > 0 && <TopUps budget={data} nameOf={nameOf} />}
    </div>
  )
}

function Cap({ run, budget }: { run: Run; budget: RunBudget }) {
  const profile = useQuery(profileQuery)
  const [raising, setRaising] = useState(false)
  const limit = budget.budget_usd === null ? null : budget.budget_usd + budget.topped_up_usd
  const may = limit !== null && runCan.progress(run.status) && mayEdit(profile.data)
  return (
    <section className="cost-cap" aria-label="Budget of the run">
      {limit !== null && (
        <Meter
          spent={budget.spent_usd}
          reserved={budget.reserved_usd}
          limit={limit}
          label="Spent of the run's budget"
        />
      )}
      <div className="cost-line">
        <dl className="budget-facts">
          <Fact name="Spent" value={formatUsd(budget.spent_usd)} mark={limit === null ? undefined : 'spent'} />
          {budget.reserved_usd > 0 && (
            <Fact name="Set aside" value={formatUsd(budget.reserved_usd)} mark={limit === null ? undefined : 'aside'} />
          )}
          <Fact name="Budget" value={limit === null ? 'none' : formatUsd(limit)} />
        </dl>
        {may && (
          <Button
            variant="default"
            size="compact-sm"
            leftSection={<IconCoin size={14} />}
            onClick={() => setRaising(true)}
          >
            Raise
          </Button>
        )}
      </div>
      {raising && <RaiseRun runId={run.id} onClose={() => setRaising(false)} />}
    </section>
  )
}

type StepsProps = { steps: StepCost[]; nameOf: (nodeId: string) => string; onChoose: (key: string) => void }

function Steps({ steps, nameOf, onChoose }: StepsProps) {
  return (
    <table className="cost-table">
      <thead>
        <tr className="dim">
          <th>Step</th>
          <th className="is-num">Turns</th>
          <th className="is-num">Read</th>
          <th className="is-num">Written</th>
          <th className="is-num">Cost</th>
        </tr>
      </thead>
      <tbody>
        {steps.map((step) => (
          <tr key={step.node_id} onClick={() => onChoose(step.node_id)}>
            <td className="clip">{nameOf(step.node_id)}</td>
            <td className="num is-num">{formatCount(step.turns)}</td>
            <td className="num is-num">
              {formatCount(step.tokens.input + step.tokens.cache_read + step.tokens.cache_write)}
            </td>
            <td className="num is-num">{formatCount(step.tokens.output)}</td>
            <td className="num is-num">
              {formatUsd(step.cost_usd)}
              {step.estimated_usd > 0 && (
                <span
                  className="dim"
                  title={`${formatUsd(step.estimated_usd)} of it estimated: turns that were cut short count in full`}
                >
                  {' '}
                  *
                </span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function TopUps({ budget, nameOf }: { budget: RunBudget; nameOf: (nodeId: string) => string }) {
  return (
    <ul className="cost-added dim">
      {budget.top_ups.map((one) => (
        <li key={one.id}>
          {formatUsd(one.amount_usd)} added{one.node_id && ` to ${nameOf(one.node_id)}`}
          {one.by && ` by ${one.by}`}, {formatFull(one.at)}
          {one.note && `: ${one.note}`}
        </li>
      ))}
    </ul>
  )
}
