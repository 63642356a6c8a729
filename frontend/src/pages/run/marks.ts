import type { Graph } from '../../api/types'
import { edgeKey, portOf } from '../../canvas/graph'
import type { Mark } from '../../canvas/marks'
import { errorPort } from '../../canvas/ports'
import type { Catalog } from '../../canvas/view'
import type { Attempt, StepView } from '../../runs/fold'
import { totalOf } from '../../runs/items'
import type { State } from '../../ui/StateBadge'
import { formatDuration } from '../../util/time'

// A node with many items shows what is most worth looking at: activity first, then trouble, then the quiet ends.
const weight: Record<State, number> = {
  running: 7,
  retrying: 6,
  failed: 5,
  waiting: 4,
  cancelled: 3,
  paused: 3,
  completed: 2,
  kept: 2,
  skipped: 1,
  pending: 0,
}

/** A failed attempt that another will follow is a step that is being retried. */
export const stateOf = ({ last }: StepView): State => (last.willRetry ? 'retrying' : last.kept ? 'kept' : last.status)

/** A node that has no step yet is pending while the run goes on; once it has ended, nothing is claimed about it. */
export function marksOf(graph: Graph, steps: StepView[], now: number, active: boolean): Map<string, Mark> {
  const byNode = group(steps)
  const shown = graph.nodes.filter(({ id }) => active || byNode.has(id))
  return new Map(shown.map(({ id }) => [id, markOf(byNode.get(id) ?? [], now)]))
}

/** The connections by which the run has come so far. */
export function takenEdges(graph: Graph, steps: StepView[], catalog: Catalog): ReadonlySet<string> {
  const byNode = group(steps)
  const types = new Map(graph.nodes.map((node) => [node.id, node.type]))
  const left = (step: StepView, port: string) =>
    (step.last.port ?? (step.last.status === 'failed' ? errorPort : null)) === port
  const arrived = (id: string) => byNode.get(id)?.some((step) => step.last.status !== 'skipped') ?? false
  const taken = graph.edges.filter((edge) => {
    const port = portOf(edge, catalog.get(types.get(edge.source) ?? '')?.ports ?? [])
    return byNode.get(edge.source)?.some((step) => left(step, port)) && (port !== errorPort || arrived(edge.target))
  })
  return new Set(taken.map(edgeKey))
}

function group(steps: StepView[]): Map<string, StepView[]> {
  const byNode = new Map<string, StepView[]>()
  for (const step of steps) {
    const list = byNode.get(step.nodeId)
    if (list) list.push(step)
    else byNode.set(step.nodeId, [step])
  }
  return byNode
}

function markOf(steps: StepView[], now: number): Mark {
  const [first] = steps
  if (!first) return { state: 'pending', line: '', error: null }
  const shown = steps.reduce((best, step) => (weight[stateOf(step)] > weight[stateOf(best)] ? step : best), first)
  const state = stateOf(shown)
  const line = steps.length > 1 ? itemsLine(steps) : attemptLine(shown, now)
  const trouble = state === 'failed' || state === 'retrying'
  return { state, line, error: trouble ? (firstLine(shown.last.error?.message) ?? null) : null }
}

function itemsLine(steps: StepView[]): string {
  const done = steps.filter((step) => step.last.status === 'completed').length
  return `${done}/${steps.length} items`
}

function attemptLine({ attempts, last }: StepView, now: number): string {
  const left = last.status === 'waiting' && last.wakeAt !== null && last.wakeAt > now ? last.wakeAt - now : null
  const items = last.status === 'waiting' ? totalOf(last.awaiting) : null
  const parts = [
    items !== null && (items === 1 ? '1 item' : `${items} items`),
    last.kept ? 'from the run before' : tookOf(last, now),
    left !== null && `${formatDuration(left)} to go`,
    attempts.length > 1 && `attempt ${last.attempt}`,
  ]
  return parts.filter(Boolean).join(' · ')
}

const tookOf = ({ startedAt, finishedAt }: Attempt, now: number): string | null =>
  startedAt === null ? null : formatDuration((finishedAt ?? now) - startedAt)

const firstLine = (text: string | undefined): string | undefined => text?.split('\n')[0]
