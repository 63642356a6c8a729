import { Button, Group, Modal, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { errorText } from '../../api/client'
import { backfill } from '../../api/triggerQueries'
import type { Backfilled, Trigger } from '../../api/types'
import { Notice } from '../../ui/Notice'
import { rangeOf, toField, type Range } from '../../util/range'

import { useRefresh } from './useRefresh'

const dayMs = 86_400_000

/** Fires the slots of a time that has passed, those that have not fired yet. */
export function BackfillDialog({ trigger, onClose }: { trigger: Trigger; onClose: () => void }) {
  const refresh = useRefresh()
  const [from, setFrom] = useState(() => toField(new Date(Date.now() - dayMs)))
  const [to, setTo] = useState(() => toField(new Date()))
  const [refused, setRefused] = useState<string | null>(null)
  const fill = useMutation({ mutationFn: (range: Range) => backfill(trigger.id, range), onSettled: refresh })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const range = rangeOf(from, to, Date.now())
    setRefused(typeof range === 'string' ? range : null)
    if (typeof range !== 'string') fill.mutate(range)
  }
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  return (
    <Modal opened onClose={onClose} title="Backfill">
      <form className="form" noValidate onSubmit={submit}>
        <p className="dim">
          Each slot of the range that has not fired begins a run now, at most 1,000 of them. Times are on your clock,{' '}
          {zone}.
        </p>
        <div className="range">
          <TextInput
            type="datetime-local"
            label="From"
            value={from}
            onChange={({ currentTarget }) => setFrom(currentTarget.value)}
          />
          <TextInput
            type="datetime-local"
            label="To"
            value={to}
            onChange={({ currentTarget }) => setTo(currentTarget.value)}
          />
        </div>
        {refused && <Notice>{refused}</Notice>}
        {fill.error && <Notice>{errorText(fill.error)}</Notice>}
        {fill.data && <Answer done={fill.data} />}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            {fill.data ? 'Close' : 'Not now'}
          </Button>
          <Button type="submit" loading={fill.isPending}>
            Backfill
          </Button>
        </Group>
      </form>
    </Modal>
  )
}

function Answer({ done: { slots, started, already } }: { done: Backfilled }) {
  return (
    <dl className="facts" role="status" aria-label="What the backfill came to">
      <dt>Slots in the range</dt>
      <dd className="num">{slots}</dd>
      <dt>Fired now, or in line</dt>
      <dd className="num">{started}</dd>
      <dt>Decided before</dt>
      <dd className="num">{already}</dd>
    </dl>
  )
}
