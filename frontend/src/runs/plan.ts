import type { Decision, PlannedStep, RerunPlan } from '../api/types'

export type PlanGroup = { decision: Decision; steps: PlannedStep[] }

const order: Decision[] = ['run_again', 'cannot_keep', 'keep']

/** The steps of a plan by what becomes of them: what is done first, what is merely taken over last. */
export function groupsOf(plan: RerunPlan): PlanGroup[] {
  const groups = order.map((decision) => ({
    decision,
    steps: plan.steps.filter((step) => step.decision === decision),
  }))
  return groups.filter(({ steps }) => steps.length > 0)
}

/** The steps whose effect on the world would happen a second time, each once, in the order of the plan. */
export function repeatedEffects(plan: RerunPlan): string[] {
  const flagged = plan.steps.filter((step) => step.repeats_effect && step.decision !== 'keep')
  return [...new Set([...plan.effects, ...flagged.map((step) => step.node_id)])]
}
