import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { triggerQuery } from '../api/triggerQueries'
import type { Trigger } from '../api/types'
import { Addresses } from '../triggers/Addresses'
import { KindLabel, LateBadge, TriggerBadge } from '../triggers/badges'
import { lateness, scheduleHelp, stateHelp, stateOf } from '../triggers/words'
import { Loading } from '../ui/Loading'
import { Notice } from '../ui/Notice'
import { useNow } from '../ui/now'
import { pages } from '../util/paths'

import { Deliveries } from './triggers/Deliveries'
import { DeliveryDrawer } from './triggers/DeliveryDrawer'
import { ScheduleCard } from './triggers/ScheduleCard'
import { TriggerButtons } from './triggers/TriggerButtons'
import './triggers/triggers.css'

/** One trigger: where it is called or when it fires, and everything that came to it. */
export function TriggerPage() {
  const { id } = useParams({ from: '/inside/triggers/$id' })
  const { delivery } = useSearch({ from: '/inside/triggers/$id' })
  const navigate = useNavigate({ from: '/triggers/$id' })
  const { data: trigger, error } = useQuery(triggerQuery(id))
  const open = (next: string | undefined) => void navigate({ search: (old) => ({ ...old, delivery: next }) })
  return (
    <main className="page">
      <title>{`${trigger ? `${trigger.workflow_name}: ${trigger.node_name}` : 'Trigger'} · FlowForge`}</title>
      <div className="list">
        <div className="list-inner">
          {error && <Notice>{errorText(error)}</Notice>}
          {trigger ? (
            <>
              <Head trigger={trigger} />
              {trigger.kind === 'schedule' ? (
                <ScheduleCard trigger={trigger} />
              ) : (
                <section className="trigger-card" aria-label="Addresses">
                  <Addresses trigger={trigger} params={trigger.params} />
                </section>
              )}
              <Deliveries trigger={trigger} onOpen={open} />
            </>
          ) : (
            !error && <Loading />
          )}
        </div>
      </div>
      {trigger && delivery && (
        <DeliveryDrawer key={delivery} id={delivery} trigger={trigger} onOpen={open} onClose={() => open(undefined)} />
      )}
    </main>
  )
}

function Head({ trigger }: { trigger: Trigger }) {
  const now = useNow(true)
  const state = stateOf(trigger)
  return (
    <header className="trigger-head">
      <div className="trigger-crumb">
        <Link to={pages.triggers} search={{}} className="crumb">
          Triggers
        </Link>
        <span className="dim">/</span>
        <KindLabel kind={trigger.kind} />
      </div>
      <div className="list-head">
        <h1 className="trigger-title">
          {trigger.workflow_name} <span className="dim">{trigger.node_name}</span>
        </h1>
        <TriggerBadge state={state} />
        {trigger.kind === 'schedule' && <LateBadge state={lateness(trigger, now)} />}
        <span className="chip">v{trigger.version}</span>
        <span className="grow" />
        <TriggerButtons trigger={trigger} />
      </div>
      <p className="dim">{(trigger.kind === 'schedule' ? scheduleHelp : stateHelp)[state]}</p>
    </header>
  )
}
