import { useNavigate, useSearch } from '@tanstack/react-router'
import { ActionIcon, Anchor, Button } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'

import { checkpointsQuery } from '../../api/runQueries'
import type { GraphNode, NodeType, StepStatus } from '../../api/types'
import { bodyParam, startsRuns } from '../../canvas/body'
import { DataPanel, type Tab } from '../../runs/DataPanel'
import type { StepView } from '../../runs/fold'
import { totalOf } from '../../runs/items'

import { Answer } from './Answer'
import { Costs } from './Costs'
import { Files } from './Files'
import { Conflicts } from './conflicts/Conflicts'
import { Items, type ItemsProps } from './Items'
import type { Watched } from './useRun'

type Props = {
  watched: Watched
  step: StepView | undefined
  node: GraphNode | undefined
  type: NodeType | undefined
  now: number
  nameOf: (nodeId: string) => string
  onChoose: (key: string | undefined, attempt?: number) => void
  /** Absent while the run cannot be made again. */
  onRerun?: (nodeId: string) => void
}

const noOutput: Record<StepStatus, string> = {
  pending: 'This step has not begun.',
  running: 'Still running.',
  waiting: 'Still waiting.',
  completed: 'It completed without an output.',
  failed: 'It failed; see the error.',
  skipped: 'It was skipped: no way led here.',
  cancelled: 'It was cancelled.',
}

/** The chosen attempt; with nothing chosen, the run itself. */
export function Details({ watched, step, node, type, now, nameOf, onChoose, onRerun }: Props) {
  const nodeId = node?.id
  const search = useSearch({ from: '/inside/runs/$id' })
  const navigate = useNavigate({ from: '/runs/$id' })
  const { run, rows, view, active } = watched
  const onTab = (tab: Tab) => void navigate({ search: (old) => ({ ...old, tab }), replace: true })
  const attempt = step?.attempts.find((one) => one.attempt === search.attempt) ?? step?.last
  const row = rows.find(
    (one) => one.node_id === step?.nodeId && one.item === step?.item && one.attempt === attempt?.attempt,
  )
  const lines = useMemo(() => {
    if (!step) return nodeId === undefined ? view.logs : []
    return view.logs.filter(
      (line) => line.nodeId === step.nodeId && line.item === step.item && line.attempt === attempt?.attempt,
    )
  }, [view.logs, step, nodeId, attempt?.attempt])

  const left = useQuery({
    ...checkpointsQuery(run.id, attempt?.status ?? ''),
    enabled: type?.group === 'git' || type?.group === 'agent' || type?.group === 'effects',
  })
  const checkpoint = left.data?.items.find((one) => one.node_id === nodeId)

  if (nodeId !== undefined) {
    const status = attempt?.status ?? 'pending'
    const error = row?.error ?? attempt?.error ?? null
    const known = row?.awaiting ?? attempt?.awaiting ?? null
    const awaiting = status === 'waiting' ? known : null
    const items = itemsOf(
      type,
      attempt && {
        runId: run.id,
        nodeId,
        attempt: attempt.attempt,
        total: totalOf(known),
        live: active,
        now,
      },
    )
    return (
      <DataPanel
        title={
          <span className="panel-title">
            <span className="clip">
              {nameOf(nodeId)}
              {step?.item && ` [${step.item}]`}
            </span>
            <ActionIcon size={24} aria-label="Back to the run" onClick={() => onChoose(undefined)}>
              <IconX size={14} />
            </ActionIcon>
          </span>
        }
        tab={search.tab ?? (error ? 'error' : items && status === 'waiting' ? 'items' : 'output')}
        onTab={onTab}
        input={row?.input}
        output={row?.output}
        error={error}
        noOutput={awaiting ? <Answer runId={run.id} nodeId={nodeId} awaiting={awaiting} now={now} /> : noOutput[status]}
        items={items}
        files={checkpoint && <Files runId={run.id} checkpoint={checkpoint} />}
        tools={
          onRerun &&
          attempt &&
          !type?.trigger && (
            <Button variant="subtle" size="compact-sm" onClick={() => onRerun(nodeId)}>
              Run again from here
            </Button>
          )
        }
        lines={lines}
        live={active}
        attempts={step?.attempts.map((one) => one.attempt)}
        attempt={attempt?.attempt}
        onAttempt={(next) => onChoose(step?.key, next)}
      />
    )
  }
  const failed = run.error?.node_id ?? undefined
  return (
    <DataPanel
      title="Whole run"
      tab={search.tab ?? (run.error ? 'error' : active ? 'log' : 'output')}
      onTab={onTab}
      input={run.input}
      output={run.output}
      response={run.response}
      cost={<Costs run={run} live={active} nameOf={nameOf} onChoose={onChoose} />}
      error={run.error}
      origin={
        failed !== undefined && (
          <Anchor component="button" type="button" inherit onClick={() => onChoose(failed)}>
            {nameOf(failed)}
          </Anchor>
        )
      }
      noOutput={noOutput[run.status]}
      lines={lines}
      live={active}
      nameOf={nameOf}
    />
  )
}

/** A rebase shows its conflicts. A step that starts runs shows them; a call starts one, a map one for each item. */
function itemsOf(type: NodeType | undefined, of: ItemsProps | undefined) {
  if (of && type?.type === 'git.rebase')
    return { title: 'Conflicts', panel: <Conflicts runId={of.runId} nodeId={of.nodeId} live={of.live} /> }
  if (!of || !startsRuns(type)) return undefined
  return { title: bodyParam(type) === null ? 'Run' : 'Items', panel: <Items {...of} /> }
}
