import { Button, Modal } from '@mantine/core'
import { IconCheck, IconX } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { errorText } from '../../../api/client'
import { resolveConflict } from '../../../api/runQueries'
import type { Conflict, ConflictAnswer, ConflictResolution, ConflictSide } from '../../../api/types'
import { CodeEditor } from '../../../ui/CodeEditor'
import { Notice } from '../../../ui/Notice'
import { formatFull } from '../../../util/time'

import { byText, editable, kindText, takesOf, takeText } from './words'

type Props = { runId: string; conflict: Conflict; live: boolean; onClose: () => void }

/** The base and both sides beside each other, what was tried, and a person's answer. */
export function ConflictDialog({ runId, conflict, live, onClose }: Props) {
  return (
    <Modal
      opened
      onClose={onClose}
      size="min(1400px, 96vw)"
      title={
        <>
          <span className="mono conflict-title">{conflict.path}</span>{' '}
          <span className="dim">{kindText(conflict.kind)}</span>
        </>
      }
    >
      <div className="form">
        <div className="conflict-sides">
          <Side title="Before both changes" side={conflict.base} absent="The file was not there." />
          <Side title="Target branch" side={conflict.ours} absent="The target has no such file." />
          <Side
            title={`Commit ${conflict.commit.slice(0, 8)}`}
            side={conflict.theirs}
            absent="The commit deleted it."
          />
        </div>
        {conflict.resolutions.map((one) => (
          <Tried key={one.at} resolution={one} />
        ))}
        {!conflict.resolved && live && <Resolve runId={runId} conflict={conflict} onDone={onClose} />}
      </div>
    </Modal>
  )
}

function Side({ title, side, absent }: { title: string; side: ConflictSide | null; absent: string }) {
  return (
    <section className="conflict-side" aria-label={title}>
      <h3>{title}</h3>
      {side?.text != null ? (
        // A region that scrolls can be reached by keys.
        <pre tabIndex={0}>{side.text}</pre>
      ) : (
        <p className="dim">{side ? `${side.size} bytes that cannot be shown (${side.mode}).` : absent}</p>
      )}
    </section>
  )
}

function Tried({ resolution }: { resolution: ConflictResolution }) {
  const { accepted, checks, content, take, at, prompt } = resolution
  return (
    <section className="conflict-tried" data-tone={accepted ? 'success' : 'failed'} aria-label={byText(resolution)}>
      <p>
        <strong>{byText(resolution)}</strong> <span className="dim">{formatFull(at)}</span>{' '}
        {accepted ? 'was taken.' : 'was not taken.'} {take !== null && `The answer was to take: ${take}.`}
      </p>
      <ul className="conflict-checks">
        {checks.map((check, at) => (
          <li key={at} data-tone={check.passed ? 'success' : 'failed'}>
            {check.passed ? <IconCheck size={13} aria-label="Passed" /> : <IconX size={13} aria-label="Failed" />}
            {check.check}
            {check.message && <span className="dim">{check.message}</span>}
          </li>
        ))}
      </ul>
      {content !== null && (
        <details>
          <summary>What it would make of the file</summary>
          <pre>{content}</pre>
        </details>
      )}
      {prompt !== null && (
        <details>
          <summary>What was asked</summary>
          <pre>{prompt}</pre>
        </details>
      )}
    </section>
  )
}

function Resolve({ runId, conflict, onDone }: { runId: string; conflict: Conflict; onDone: () => void }) {
  const client = useQueryClient()
  const proposed = [...conflict.resolutions].reverse().find((one) => one.content !== null)?.content
  const [text, setText] = useState(proposed ?? conflict.theirs?.text ?? conflict.ours?.text ?? '')
  const answer = useMutation({
    mutationFn: (body: ConflictAnswer) => resolveConflict(runId, conflict.id, body),
    onSuccess: onDone,
    // Somebody else may have answered, or the step may have gone on.
    onSettled: () => client.invalidateQueries({ queryKey: ['run', runId] }),
  })
  return (
    <section className="conflict-resolve" aria-label="Resolve">
      {answer.error && <Notice>{errorText(answer.error)}</Notice>}
      <div className="conflict-takes">
        {takesOf(conflict).map((take) => (
          <Button key={take} variant="default" disabled={answer.isPending} onClick={() => answer.mutate({ take })}>
            {takeText(conflict, take)}
          </Button>
        ))}
      </div>
      {editable(conflict) && (
        <>
          <CodeEditor
            label="What the file is to hold"
            language="text"
            value={text}
            onChange={setText}
            minHeight={160}
          />
          <div>
            <Button loading={answer.isPending} onClick={() => answer.mutate({ content: text })}>
              Use this text
            </Button>
          </div>
        </>
      )}
    </section>
  )
}
