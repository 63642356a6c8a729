import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo } from 'react'

import type { Graph, Run } from '../../api/types'
import { Canvas } from '../../canvas/Canvas'
import { setMarks, setProblems } from '../../canvas/marks'
import type { Selection } from '../../canvas/store'
import type { Catalog } from '../../canvas/view'
import { place, titleOf } from '../../canvas/graph'
import { layered } from '../../canvas/layout'
import { useSight } from '../../canvas/useSight'
import { stepKey, type StepView } from '../../runs/fold'
import { spanOf } from '../../runs/timescale'
import { Timeline } from '../../runs/Timeline'
import { useNow } from '../../ui/now'
import { millis } from '../../util/time'

import { Details } from './Details'
import { marksOf, stateOf, takenEdges } from './marks'
import { RunBar } from './RunBar'
import { useRun } from './useRun'
import './run.css'

type Props = { run: Run; graph: Graph; catalog: Catalog }

const noEdges: ReadonlySet<string> = new Set()

/** The graph as it runs, its steps in time, and what the chosen one took and gave. What is chosen is in the address. */
export function RunView({ run: first, graph: stored, catalog }: Props) {
  const search = useSearch({ from: '/inside/runs/$id' })
  const navigate = useNavigate({ from: '/runs/$id' })
  const watched = useRun(first)
  const { run, steps, view, connection, active } = watched
  const now = useNow(active)
  const graph = useMemo(() => place(stored, layered), [stored])
  const step = steps.find((one) => one.key === search.step)
  const nodeId = step?.nodeId ?? (graph.nodes.some((node) => node.id === search.step) ? search.step : undefined)

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
  const rowTitle = (one: StepView) => (one.item === '' ? nameOf(one.nodeId) : `${nameOf(one.nodeId)} [${one.item}]`)

  return (
    <main className="page run-page">
      <title>{`${run.workflow_name}: ${run.status} · FlowForge`}</title>
      <RunBar run={run} connection={connection} cancelling={view.cancelling} now={now} />
      <div className="run-canvas">
        <Canvas graph={graph} catalog={catalog} selection={selection} onSelect={onSelect} />
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
        <Details watched={watched} step={step} nodeId={nodeId} nameOf={nameOf} onChoose={choose} />
      </div>
    </main>
  )
}
