import { Button, Group, Modal, Select, Switch } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useRef, useState } from 'react'

import { errorText } from '../../api/client'
import { versionQuery, workflowQuery } from '../../api/queries'
import { rerun, rerunPlanQuery } from '../../api/runQueries'
import type { Graph, Json, Rerun, Run } from '../../api/types'
import { nodeById, titleOf } from '../../canvas/graph'
import type { Catalog } from '../../canvas/view'
import { CodeEditor } from '../../ui/CodeEditor'
import { Notice } from '../../ui/Notice'
import { randomKey } from '../../util/random'

import { PlanView } from './PlanView'

type Props = {
  run: Run
  /** The graph of this run, until another version's is there. */
  graph: Graph
  catalog: Catalog
  /** The step that was chosen to begin from; null for the start. */
  from: string | null
  onClose: () => void
}

const start = 'start of the run'

/** Makes a run again: from where, with what, and what that would do, before it is done. */
export function RerunDialog({ run, graph: own, catalog, from, onClose }: Props) {
  const navigate = useNavigate()
  const client = useQueryClient()
  const incomplete = run.status !== 'completed'
  const [node, setNode] = useState(from ?? (run.status === 'failed' ? 'failed' : start))
  const [version, setVersion] = useState(run.version)
  const [input, setInput] = useState<string | null>(null)
  const { data: workflow } = useQuery(workflowQuery(run.workflow_id))
  const other = useQuery({ ...versionQuery(run.workflow_id, version), enabled: version !== run.version })
  const graph = version === run.version ? own : (other.data?.graph ?? own)

  const value = input === null ? run.input : parse(input)
  const body: Rerun = { version, ...(node !== start && { from_node: node }), ...(input !== null && { input: value }) }
  const [settled] = useDebouncedValue(body, 300, { leading: true })
  const plan = useQuery({ ...rerunPlanQuery(run.id, settled), enabled: value !== undefined })
  const keyFor = useKeys()
  const begin = useMutation({
    mutationFn: () => rerun(run.id, body, keyFor(JSON.stringify(body))),
    onSuccess: ({ id }) => {
      void client.invalidateQueries({ queryKey: ['runs'] })
      onClose()
      void navigate({ to: '/runs/$id', params: { id }, search: {} })
    },
  })
  const nameOf = (id: string) => titleOf(nodeById(graph, id) ?? nodeById(own, id) ?? { id, type: '' })
  const steps = graph.nodes.filter(({ type }) => !catalog.get(type)?.trigger)
  return (
    <Modal opened onClose={onClose} title="Run again" size="lg">
      <div className="form">
        <div className="two">
          <Select
            label="From"
            data={[
              { value: start, label: 'The start' },
              ...(incomplete ? [{ value: 'failed', label: 'What did not complete' }] : []),
              { group: 'From a step', items: steps.map((one) => ({ value: one.id, label: titleOf(one) })) },
            ]}
            value={node}
            onChange={(next) => setNode(next ?? start)}
            allowDeselect={false}
          />
          <Select
            label="Version"
            data={versionsOf(run.version, workflow?.version ?? run.version, workflow?.published_version ?? null)}
            value={String(version)}
            onChange={(next) => setVersion(Number(next ?? run.version))}
            allowDeselect={false}
          />
        </div>
        <Switch
          size="sm"
          label="With another input"
          checked={input !== null}
          onChange={({ currentTarget }) => setInput(currentTarget.checked ? JSON.stringify(run.input, null, 2) : null)}
        />
        {input !== null && (
          <CodeEditor
            label="Input"
            language="json"
            value={input}
            onChange={setInput}
            minHeight={120}
            invalid={value === undefined}
          />
        )}
        {plan.error ? (
          <Notice>{errorText(plan.error)}</Notice>
        ) : (
          plan.data && <PlanView plan={plan.data} stale={plan.isPlaceholderData} nameOf={nameOf} />
        )}
        {begin.error && <Notice>{errorText(begin.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose}>
            Not now
          </Button>
          <Button
            loading={begin.isPending}
            disabled={value === undefined || Boolean(plan.error)}
            onClick={() => begin.mutate()}
          >
            Run again
          </Button>
        </Group>
      </div>
    </Modal>
  )
}

/** A key for each wish: asking twice for the same makes one run, and a changed wish is another. */
function useKeys(): (wish: string) => string {
  const keys = useRef(new Map<string, string>())
  return (wish) => {
    const key = keys.current.get(wish) ?? randomKey()
    keys.current.set(wish, key)
    return key
  }
}

/** Newest first, as many as a list can bear; the run's own is among them. */
function versionsOf(own: number, newest: number, published: number | null): { value: string; label: string }[] {
  const all = Array.from({ length: Math.min(newest, 50) }, (_, back) => newest - back)
  if (!all.includes(own)) all.push(own)
  const said = (n: number) =>
    [n === own && 'of this run', n === newest && newest !== own && 'newest', n === published && 'live'].filter(Boolean)
  return all.map((n) => ({ value: String(n), label: [`Version ${n}`, ...said(n)].join(', ') }))
}

function parse(text: string): Json | undefined {
  if (text.trim() === '') return null
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
