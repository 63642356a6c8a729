import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconPlus, IconSearch } from '@tabler/icons-react'
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { createWorkflow, workflowsQuery } from '../api/queries'
import type { Graph, Workflow, WorkflowStatus } from '../api/types'
import { Notice } from '../ui/Notice'
import { useNow } from '../ui/now'
import { ShowMore } from '../ui/ShowMore'
import { StateBadge } from '../ui/StateBadge'
import { pages } from '../util/paths'
import { formatAgo, formatFull } from '../util/time'

import { WorkflowMenu } from './WorkflowMenu'

const filters: { value: WorkflowStatus | 'all'; label: string }[] = [
  { value: 'all', label: 'All' },
  { value: 'active', label: 'Active' },
  { value: 'draft', label: 'Draft' },
  { value: 'archived', label: 'Archived' },
]

const firstGraph: Graph = {
  nodes: [{ id: 'start', type: 'trigger.manual', name: 'Start', position: { x: 0, y: 0 }, params: {} }],
  edges: [],
}

export function Workflows() {
  const search = useSearch({ from: '/inside/workflows' })
  const navigate = useNavigate({ from: '/workflows' })
  const list = useInfiniteQuery(workflowsQuery(search))
  const type = useDebouncedCallback(
    (q: string) => void navigate({ search: (old) => ({ ...old, q: q || undefined }), replace: true }),
    200,
  )
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const filtered = Boolean(search.q ?? search.status)
  return (
    <main className="page">
      <title>Workflows · FlowForge</title>
      <div className="list">
        <div className="list-inner">
          <div className="list-head">
            <h1 className="grow">Workflows</h1>
            <NewWorkflow />
          </div>
          <div className="list-head">
            <TextInput
              aria-label="Find a workflow"
              placeholder="Find by name"
              leftSection={<IconSearch size={15} />}
              defaultValue={search.q}
              onChange={({ currentTarget }) => type(currentTarget.value)}
              w={260}
            />
            <SegmentedControl
              size="xs"
              aria-label="Status"
              data={filters}
              value={search.status ?? 'all'}
              onChange={(value) =>
                void navigate({
                  search: (old) => ({
                    ...old,
                    status: filters.find((one) => one.value === value && value !== 'all')?.value as
                      WorkflowStatus | undefined,
                  }),
                })
              }
            />
          </div>
          {list.error && <Notice>{errorText(list.error)}</Notice>}
          {list.data && items.length === 0 && (filtered ? <NoMatch /> : <FirstWorkflow />)}
          {items.length > 0 && <WorkflowTable items={items} />}
          <ShowMore list={list} />
        </div>
      </div>
    </main>
  )
}

function WorkflowTable({ items }: { items: Workflow[] }) {
  const navigate = useNavigate()
  const now = useNow(true)
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Name</th>
          <th>Status</th>
          <th className="wide-only">Version</th>
          <th>Last run</th>
          <th className="wide-only">Changed</th>
          <th>
            <span className="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.id} onClick={() => void navigate({ to: '/workflows/$id', params: { id: item.id } })}>
            <td className="main">
              <Link to="/workflows/$id" params={{ id: item.id }} onClick={(event) => event.stopPropagation()}>
                {item.name}
              </Link>
              {item.description && <span className="dim"> {item.description}</span>}
            </td>
            <td>
              <span className="chip">{item.status}</span>
            </td>
            <td className="num dim wide-only">
              v{item.version}
              {item.published_version !== null &&
                item.published_version !== item.version &&
                `, v${item.published_version} is live`}
            </td>
            <td>{item.last_run ? <LastRun run={item.last_run} now={now} /> : <span className="dim">never</span>}</td>
            <td className="dim wide-only" title={formatFull(item.updated_at)}>
              {formatAgo(item.updated_at, now)}
            </td>
            <td className="row-menu" onClick={(event) => event.stopPropagation()}>
              <WorkflowMenu workflow={item} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function LastRun({ run, now }: { run: NonNullable<Workflow['last_run']>; now: number }) {
  return (
    <Link
      to="/runs/$id"
      params={{ id: run.id }}
      onClick={(event) => event.stopPropagation()}
      title={formatFull(run.created_at)}
    >
      <StateBadge state={run.status} /> <span className="dim wide-only">{formatAgo(run.created_at, now)}</span>
    </Link>
  )
}

function NewWorkflow({ label = 'New workflow' }: { label?: string }) {
  const navigate = useNavigate()
  const client = useQueryClient()
  const create = useMutation({
    mutationFn: () => createWorkflow({ name: 'Untitled workflow', graph: firstGraph }),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ['workflows'] })
      void navigate({ to: '/workflows/$id', params: { id: made.id } })
    },
    onError: (error) => notifications.show({ color: 'red', title: 'No workflow was made', message: errorText(error) }),
  })
  return (
    <Button leftSection={<IconPlus size={16} />} loading={create.isPending} onClick={() => create.mutate()}>
      {label}
    </Button>
  )
}

function FirstWorkflow() {
  return (
    <div className="empty">
      <h2>No workflows yet</h2>
      <p className="dim">
        A workflow is a graph of steps that runs to its end, whatever happens to the machine meanwhile.
      </p>
      <NewWorkflow label="Draw the first one" />
    </div>
  )
}

function NoMatch() {
  return (
    <div className="empty">
      <h2>Nothing matches</h2>
      <p className="dim">No workflow has this name and status.</p>
      <Link to={pages.workflows} search={{}}>
        Show all workflows
      </Link>
    </div>
  )
}
