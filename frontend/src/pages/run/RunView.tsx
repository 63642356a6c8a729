import { useNavigate, useSearch } from '@tanstack/react-router'
import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useState } from 'react'

import { runCan } from '../../api/can'
import { blobQuery } from '../../api/runQueries'
import type { Graph, Run } from '../../api/types'
import { Canvas } from '../../canvas/Canvas'
import { setMarks, setProblems } from '../../canvas/marks'
import type { Selection } from '../../canvas/store'
import type { Catalog } from '../../canvas/view'
import { nodeById, place, titleOf } from '../../canvas/graph'
import { layered } from '../../canvas/layout'
import { useSight } from '../../canvas/useSight'
import { stepKey, type StepView } from '../../runs/fold'
import { spanOf } from '../../runs/timescale'
import { Timeline } from '../../runs/Timeline'
import { WholeValues } from '../../ui/LargeValue'
import { useNow } from '../../ui/now'
import { millis } from '../../util/time'

import { Details } from './Details'
import type { Ancestor } from './load'
import { marksOf, stateOf, takenEdges } from './marks'
import { RerunDialog } from './RerunDialog'
import { RunBar } from './RunBar'
import { useRun } from './useRun'
import { WhyLine } from './WhyLine'
import './run.css'

type Props = { run: Run; graph: Graph; ancestors: Ancestor[]; catalog: Catalog }

const noEdges: ReadonlySet<string> = new Set()

/** The graph as it runs, its steps in time, and what the chosen one took and gave. What is chosen is in the address. */
export function RunView({ run: first, graph: stored, ancestors, catalog }: Props) {
  const search = useSearch({ from: '/inside/runs/$id' })
  const navigate = useNavigate({ from: '/runs/$id' })
  const watched = useRun(first)
  const { run, steps, view, connection, active, moment } = watched
  const [rerunFrom, setRerunFrom] = useState<{ node: string | null } | null>(null)
  const now = useNow(active)
  const graph = useMemo(() => place(stored, layered), [stored])
  const step = steps.find((one) => one.key === search.step)
  const node = nodeById(graph, step?.nodeId ?? search.step ?? '')
  const nodeId = node?.id

  const names = useMemo(() => new Map(graph.nodes.map((node) => [node.id, titleOf(node)])), [graph])
  const nameOf = useCallback((id: string) => names.get(id) ?? id, [names])
  const selection = useMemo<Selection>(
    () => ({ nodes: new Set(nodeId === undefined ? [] : [nodeId]), edges: noEdges }),
    [nodeId],
  )
  const marks = useMemo(() => marksOf(graph, steps, now, active), [graph, steps, now, active])
  const taken = useMemo(() => takenEdges(graph, steps, catalog), [graph, steps, catalog])
  useEffect(() => (setProblems(new Map()), setMarks(marks, taken)), [marks, taken])

  const choose = useCallback(
    (key: string | undefined, attempt?: number) =>
      void navigate({
        search: (old) => ({ ...old, step: key, attempt, tab: key === undefined ? undefined : old.tab }),
        replace: true,
      }),
    [navigate],
  )
  const client = useQueryClient()
  const fetchWhole = useCallback((key: string) => client.fetchQuery(blobQuery(first.id, key)), [client, first.id])
  const onSelect = useCallback(
    (update: (before: Selection) => Selection) => {
      const [id] = [...update(selection).nodes].filter((one) => one !== nodeId)
      const kept = nodeId !== undefined && update(selection).nodes.has(nodeId)
      // A node with many items opens at its first.
      if (id !== undefined) choose(steps.find((one) => one.nodeId === id)?.key ?? stepKey(id, ''))
      else if (!kept) choose(undefined)
    },
    [selection, nodeId, steps, choose],
  )
  const sight = useSight(useCallback(() => graph, [graph]))
  const fromTimeline = (one: StepView, attempt?: number) => {
    choose(one.key, attempt)
    sight.reveal(one.nodeId)
  }
  const attempts = useMemo(() => steps.flatMap((one) => one.attempts), [steps])
  const show = (id: string) => {
    choose(steps.find((one) => one.nodeId === id)?.key ?? stepKey(id, ''))
    sight.reveal(id)
  }
  const rowTitle = (one: StepView) => (one.item === '' ? nameOf(one.nodeId) : `${nameOf(one.nodeId)} [${one.item}]`)

  return (
    <main className="page run-page">
      <title>{`${run.workflow_name}: ${run.status} · FlowForge`}</title>
      <RunBar
        run={run}
        ancestors={ancestors}
        connection={connection}
        cancelling={view.cancelling}
        now={now}
        onRerun={() => setRerunFrom({ node: null })}
      />
      {active && <WhyLine runId={run.id} moment={moment} now={now} nameOf={nameOf} onShow={show} />}
      <div className="run-canvas">
        <Canvas
          graph={graph}
          catalog={catalog}
          selection={selection}
          onSelect={onSelect}
          onEnter={(id) => void navigate({ search: (old) => ({ ...old, step: id, tab: 'items' }), replace: true })}
        />
      </div>
      <div className="run-dock">
        <Timeline
          steps={steps}
          span={spanOf(millis(run.started_at), millis(run.finished_at), attempts, now)}
          now={now}
          titleOf={rowTitle}
          stateOf={stateOf}
          chosen={step?.key ?? null}
          onChoose={fromTimeline}
        />
        <WholeValues value={fetchWhole}>
          <Details
            watched={watched}
            step={step}
            node={node}
            type={catalog.get(node?.type ?? '')}
            now={now}
            nameOf={nameOf}
            onChoose={choose}
            onRerun={runCan.rerun(run) ? (id) => setRerunFrom({ node: id }) : undefined}
          />
        </WholeValues>
      </div>
      {rerunFrom && (
        <RerunDialog
          run={run}
          graph={stored}
          catalog={catalog}
          from={rerunFrom.node}
          onClose={() => setRerunFrom(null)}
        />
      )}
    </main>
  )
}
