import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import { triggerOfNodeQuery } from '../api/triggerQueries'
import type { GraphNode, Trigger, TriggerKind } from '../api/types'
import { Addresses } from '../triggers/Addresses'
import { TriggerBadge } from '../triggers/badges'
import { kindOfNode, stateOf } from '../triggers/words'

import { SchedulePreview } from './SchedulePreview'

type Props = { workflowId: string; node: GraphNode }

/** Where a trigger that was saved is called, and what came to it: above its parameters. */
export function TriggerLead({ workflowId, node }: Props) {
  const kind = kindOfNode(node.type)
  return kind ? <Saved workflowId={workflowId} node={node} kind={kind} /> : null
}

function Saved({ workflowId, node, kind }: Props & { kind: TriggerKind }) {
  const { data } = useQuery(triggerOfNodeQuery(workflowId, node.id))
  if (data === undefined) return null
  // Another kind under the same id is what is saved, and not what is on screen.
  const trigger = data?.kind === kind ? data : null
  if (!trigger && kind === 'schedule') return null
  return (
    <section className="about" aria-label={kind === 'schedule' ? 'Saved' : 'Addresses'}>
      {trigger ? (
        <>
          {kind !== 'schedule' && <Addresses trigger={trigger} params={node.params ?? {}} />}
          <State trigger={trigger} />
        </>
      ) : (
        <p className="dim">Save the workflow, and its address stands here.</p>
      )}
    </section>
  )
}

function State({ trigger }: { trigger: Trigger }) {
  return (
    <div className="about-state">
      <TriggerBadge state={stateOf(trigger)} />
      <Button
        variant="subtle"
        size="compact-sm"
        renderRoot={(props) => <Link {...props} to="/triggers/$id" params={{ id: trigger.id }} search={{}} />}
      >
        {trigger.kind === 'schedule' ? 'Show its fires' : 'Show its deliveries'}
      </Button>
    </div>
  )
}

/** When a schedule fires as it is on screen: below its parameters. */
export function ScheduleAbout({ node, faulty }: { node: GraphNode; faulty: boolean }) {
  if (kindOfNode(node.type) !== 'schedule') return null
  return (
    <section className="about" aria-label="Next fires">
      <SchedulePreview params={node.params ?? {}} faulty={faulty} />
    </section>
  )
}
