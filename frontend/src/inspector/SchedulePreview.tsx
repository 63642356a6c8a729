import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'

import { errorText } from '../api/client'
import { previewQuery } from '../api/triggerQueries'
import type { JsonObject } from '../api/types'
import { FireList } from '../triggers/FireList'
import { Prose } from '../ui/Prose'
import { useNow } from '../ui/now'

type Props = { params: JsonObject; faulty: boolean }

const shown = 5

/** When the schedule would fire as it is on screen, a moment after each edit. */
export function SchedulePreview({ params, faulty }: Props) {
  const [settled] = useDebouncedValue(params, 300)
  const now = useNow(true)
  const written = typeof settled.cron === 'string' && settled.cron.trim() !== ''
  const { data: fires, error } = useQuery({ ...previewQuery(settled, shown), enabled: written })
  if (!written) return <p className="dim">Write an expression, and its next fires stand here.</p>
  if (error) {
    // The field itself says what is wrong with it as soon as the whole workflow was looked at.
    return faulty ? (
      <p className="dim">Its next fires stand here as soon as it can be used.</p>
    ) : (
      <p className="group-error" role="alert">
        <Prose text={errorText(error)} />
      </p>
    )
  }
  if (!fires) return null
  return (
    <>
      <p className="schedule-words">{fires.words}</p>
      <FireList fires={fires.items} now={now} />
      <p className="dim">{fires.policy}</p>
    </>
  )
}
