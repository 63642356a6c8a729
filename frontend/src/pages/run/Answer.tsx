import { Button } from '@mantine/core'
import { IconSend } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { errorText } from '../../api/client'
import { approvalQuery, sendSignal } from '../../api/runQueries'
import type { Awaiting, Json } from '../../api/types'
import { CodeEditor } from '../../ui/CodeEditor'
import { Loading } from '../../ui/Loading'
import { Notice } from '../../ui/Notice'
import { ApprovalCard } from '../approvals/ApprovalCard'

import { Shortage } from './Shortage'

type Props = { runId: string; nodeId: string; awaiting: Awaiting; now: number }

/** What a waiting step wants to be told, in the place where its output will be. */
export function Answer({ runId, nodeId, awaiting, now }: Props) {
  switch (awaiting.kind) {
    case 'approval':
      return <Decision runId={runId} nodeId={nodeId} now={now} />
    case 'signal':
      return <Signal runId={runId} name={awaiting.name} />
    case 'funds':
      return <Shortage runId={runId} nodeId={nodeId} funds={awaiting} now={now} />
    case 'resolutions':
      return <p className="panel-none">Waiting for people; see its conflicts.</p>
    case 'children':
      return <p className="panel-none">Waiting for its items.</p>
  }
}

function Decision({ runId, nodeId, now }: Omit<Props, 'awaiting'>) {
  const { data, error } = useQuery(approvalQuery(runId, nodeId))
  const [first, setFirst] = useState(data ?? null)
  if (data && data !== first) setFirst(data)
  if (error) return <Notice>{errorText(error)}</Notice>
  if (!first)
    return data === null ? <p className="panel-none">It does not wait for a decision any more.</p> : <Loading />
  return <ApprovalCard approval={first} waits={data !== null} now={now} />
}

function Signal({ runId, name }: { runId: string; name: string }) {
  const [text, setText] = useState('{}')
  const [broken, setBroken] = useState(false)
  const send = useMutation({ mutationFn: (payload: Json) => sendSignal(runId, name, payload) })
  const submit = () => {
    const payload = parse(text)
    setBroken(payload === undefined)
    if (payload !== undefined) send.mutate(payload)
  }
  if (send.isSuccess)
    return (
      <p className="panel-none" role="status">
        The signal “{name}” is sent; the step goes on with it.
      </p>
    )
  return (
    <section className="approval" aria-label={`Signal ${name}`}>
      <header>
        <h3 className="approval-title">Waits for the signal “{name}”</h3>
        <p className="dim">Whatever is sent with it becomes the output of this step.</p>
      </header>
      <CodeEditor label="Payload" language="json" value={text} onChange={setText} minHeight={90} invalid={broken} />
      {broken && <Notice>This is not JSON yet. A text stands in quotes.</Notice>}
      {send.error && <Notice>{errorText(send.error)}</Notice>}
      <div>
        <Button leftSection={<IconSend size={15} />} loading={send.isPending} onClick={submit}>
          Send the signal
        </Button>
      </div>
    </section>
  )
}

function parse(text: string): Json | undefined {
  if (text.trim() === '') return null
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
