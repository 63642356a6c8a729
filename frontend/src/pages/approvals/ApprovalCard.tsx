import { Button, Textarea } from '@mantine/core'
import { IconCheck, IconMinus, IconX } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'

import { decide } from '../../api/runQueries'
import type { Approval, Json, Verdict } from '../../api/types'
import { JsonView } from '../../ui/JsonView'
import { Notice } from '../../ui/Notice'
import { formatAgo, formatDuration, formatFull } from '../../util/time'

import { troubleOf } from './trouble'
import './approvals.css'

type Props = {
  approval: Approval
  now: number
  /** False once it waits no more; what was answered here says so itself. */
  waits?: boolean
  /** Where the question comes from, where that is not clear already. */
  from?: ReactNode
}

/** What a person is asked, exactly as it is to be decided, and the two answers. */
export function ApprovalCard({ approval, now, waits = true, from }: Props) {
  const client = useQueryClient()
  const [comment, setComment] = useState('')
  const answer = useMutation({
    mutationFn: (decision: Verdict) => decide(approval, decision, comment.trim()),
    // Whatever came of it, what is on screen may be older than what is true.
    onSettled: async () => {
      await client.invalidateQueries({ queryKey: ['approvals'] })
      await client.invalidateQueries({ queryKey: ['run', approval.run_id] })
    },
  })
  const trouble = answer.error && troubleOf(answer.error, approval)
  if (answer.isSuccess) {
    const approved = answer.variables === 'approved'
    const Sign = approved ? IconCheck : IconX
    return (
      <Ended icon={<Sign size={16} aria-hidden />}>
        {approved ? 'Approved' : 'Rejected'}: {approval.title}. The run goes on.
      </Ended>
    )
  }
  if (!waits && !trouble)
    return <Ended icon={<IconMinus size={16} aria-hidden />}>Not waiting any more: {approval.title}</Ended>
  return (
    <article className="approval" aria-label={approval.title}>
      <header>
        <h3 className="approval-title">{approval.title}</h3>
        <p className="dim">
          {from}
          <span title={formatFull(approval.requested_at)}>Asked {formatAgo(approval.requested_at, now)}</span>
          {approval.approvers.length > 0 && `, for ${approval.approvers.join(' or ')}`}
          {approval.expires_at && <Expiry at={approval.expires_at} now={now} />}
        </p>
      </header>
      <DetailsView details={approval.details} />
      {trouble && <Notice tone={trouble.tone}>{trouble.text}</Notice>}
      <Textarea
        aria-label="Comment"
        placeholder="Comment (optional)"
        autosize
        minRows={1}
        maxRows={6}
        value={comment}
        onChange={({ currentTarget }) => setComment(currentTarget.value)}
      />
      <div className="approval-answers">
        <Button
          leftSection={<IconCheck size={15} />}
          loading={answer.isPending && answer.variables === 'approved'}
          disabled={answer.isPending || !waits}
          onClick={() => answer.mutate('approved')}
        >
          Approve
        </Button>
        <Button
          variant="default"
          leftSection={<IconX size={15} />}
          loading={answer.isPending && answer.variables === 'rejected'}
          disabled={answer.isPending || !waits}
          onClick={() => answer.mutate('rejected')}
        >
          Reject
        </Button>
      </div>
    </article>
  )
}

function Ended({ icon, children }: { icon: ReactNode; children: ReactNode }) {
  return (
    <div className="approval is-answered" role="status">
      {icon}
      <span>{children}</span>
    </div>
  )
}

function Expiry({ at, now }: { at: string; now: number }) {
  const left = Date.parse(at) - now
  return (
    <span title={formatFull(at)}>{left > 0 ? `, ${formatDuration(left)} left to decide` : ', its time is up'}</span>
  )
}

function DetailsView({ details }: { details: Json }) {
  if (details === null || details === '') return null
  if (typeof details === 'string') return <p className="approval-text">{details}</p>
  return (
    <div className="approval-details">
      <JsonView value={details} label="Details" />
    </div>
  )
}
