import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import { triggerOfNodeQuery } from '../api/triggerQueries'
import type { GraphNode, TriggerKind } from '../api/types'
import { Addresses } from '../triggers/Addresses'
import { TriggerBadge } from '../triggers/badges'
import { kindOfNode, stateOf } from '../triggers/words'

import { SchedulePreview } from './SchedulePreview'

type Props = {
  workflowId: string
  node: GraphNode
  /** Whether its parameters cannot be used as they are; the fields say why. */
  faulty: boolean
}

/** What a trigger answers to, or when it fires: beside its parameters, in the editor. */
export function TriggerAbout({ workflowId, node, faulty }: Props) {
  const kind = kindOfNode(node.type)
  if (!kind) return null
  return (
    <section className="about" aria-label={kind === 'schedule' ? 'Next fires' : 'Addresses'}>
      {kind === 'schedule' && <SchedulePreview params={node.params ?? {}} faulty={faulty} />}
      <SavedTrigger workflowId={workflowId} node={node} kind={kind} />
    </section>
  )
}

function SavedTrigger({ workflowId, node, kind }: Omit<Props, 'faulty'> & { kind: TriggerKind }) {
  const { data: trigger } = useQuery(triggerOfNodeQuery(workflowId, node.id))
  if (trigger === undefined) return null
  // Another kind under the same id is what is saved, and not what is on screen.
  if (trigger === null || trigger.kind !== kind)
    return kind === 'schedule' ? null : <p className="dim">Save the workflow, and its address stands here.</p>
  return (
    <>
      {kind !== 'schedule' && <Addresses trigger={trigger} params={node.params ?? {}} />}
      <div className="about-state">
        <TriggerBadge state={stateOf(trigger)} />
        <Button
          variant="subtle"
          size="compact-sm"
          renderRoot={(props) => <Link {...props} to="/triggers/$id" params={{ id: trigger.id }} search={{}} />}
        >
          {kind === 'schedule' ? 'Its fires' : 'Its deliveries'}
        </Button>
      </div>
    </>
  )
}
