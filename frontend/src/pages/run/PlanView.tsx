import { IconAlertTriangle, IconBan, IconChecks, IconRefresh, type Icon } from '@tabler/icons-react'

import type { Decision, RerunPlan } from '../../api/types'
import { groupsOf, repeatedEffects } from '../../runs/plan'
import { Prose } from '../../ui/Prose'

type Props = { plan: RerunPlan; stale: boolean; nameOf: (nodeId: string) => string }

const looks: Record<Decision, { title: string; icon: Icon; tone: string }> = {
  run_again: { title: 'Run again', icon: IconRefresh, tone: 'running' },
  cannot_keep: { title: 'Run again, because they cannot be kept', icon: IconBan, tone: 'waiting' },
  keep: { title: 'Kept as they are', icon: IconChecks, tone: 'success' },
}

/** What a re-run would do: which steps it does again and which it takes over, and what would happen a second time. */
export function PlanView({ plan, stale, nameOf }: Props) {
  const effects = repeatedEffects(plan)
  return (
    <div className="plan" aria-busy={stale}>
      {effects.length > 0 && (
        <div className="plan-effects" role="alert">
          <IconAlertTriangle size={18} aria-hidden />
          <div>
            <strong>These act on the world again:</strong>
            <ul>
              {effects.map((id) => (
                <li key={id}>{nameOf(id)}</li>
              ))}
            </ul>
          </div>
        </div>
      )}
      {groupsOf(plan).map(({ decision, steps }) => {
        const { title, icon: Shape, tone } = looks[decision]
        return (
          <section key={decision} data-decision={decision}>
            <h3 className="plan-title" data-tone={tone}>
              <Shape size={15} aria-hidden /> {title} <span className="num dim">{steps.length}</span>
            </h3>
            <ul className="plan-steps">
              {steps.map((step) => (
                <li key={step.node_id} data-step={step.node_id}>
                  <span className="plan-step">{nameOf(step.node_id)}</span>
                  {step.reason && (
                    <span className="dim">
                      <Prose text={step.reason} />
                    </span>
                  )}
                </li>
              ))}
            </ul>
          </section>
        )
      })}
    </div>
  )
}
