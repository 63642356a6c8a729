import { Button } from '@mantine/core'
import { IconHistory } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { mayEdit } from '../../api/can'
import { errorText } from '../../api/client'
import { profileQuery } from '../../api/queries'
import { firesQuery } from '../../api/triggerQueries'
import type { Trigger } from '../../api/types'
import { FireList } from '../../triggers/FireList'
import { stateOf, zoneOf } from '../../triggers/words'
import { Notice } from '../../ui/Notice'
import { useNow } from '../../ui/now'

import { BackfillDialog } from './BackfillDialog'

/** When a schedule fires, in words and as a list, and firing for a time that has passed. */
export function ScheduleCard({ trigger }: { trigger: Trigger }) {
  const now = useNow(true)
  const profile = useQuery(profileQuery)
  const { data: fires, error } = useQuery(firesQuery(trigger.id, `${trigger.version} ${trigger.next_fire_at}`))
  const [filling, setFilling] = useState(false)
  const active = trigger.status === 'active'
  const state = stateOf(trigger)
  return (
    <section className="trigger-card schedule-card" aria-label="Schedule">
      {error && <Notice>{errorText(error)}</Notice>}
      {fires && (
        <>
          <div className="schedule-about">
            <p className="schedule-words">{fires.words}</p>
            <p className="mono">
              {String(trigger.params.cron)} <span className="dim">{zoneOf(trigger.params)}</span>
            </p>
            <p className="dim">{fires.policy}</p>
            {mayEdit(profile.data) && (
              <Button
                variant="default"
                leftSection={<IconHistory size={15} />}
                disabled={!active}
                title={active ? undefined : 'Publish the workflow first: only an active schedule fires'}
                onClick={() => setFilling(true)}
              >
                Backfill
              </Button>
            )}
          </div>
          <div className="schedule-next">
            <h2 className="card-title">{state === 'active' ? 'Next fires' : 'It would fire at'}</h2>
            <FireList fires={fires.items} now={now} />
          </div>
        </>
      )}
      {filling && <BackfillDialog trigger={trigger} onClose={() => setFilling(false)} />}
    </section>
  )
}
