import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'

import { endpoints } from '../util/paths'

import { read, readBody, server } from './client'
import type * as T from './types'

// What is asked of one run, and of the people it waits for.

const of = (id: string) => ({ params: { path: { id } } })

/** A part of a list of a run's items. */
const itemsAtOnce = 100

export const whyQuery = (id: string, moment: string) =>
  queryOptions({
    queryKey: ['run', id, 'why', moment],
    queryFn: () => read<T.Why>(server.GET('/api/v1/runs/{id}/why', of(id))),
    placeholderData: keepPreviousData,
    refetchInterval: 3_000,
    staleTime: 0,
    gcTime: 0,
  })

/** Where the steps of a run have left its work tree. */
export const checkpointsQuery = (id: string, moment: string) =>
  queryOptions({
    queryKey: ['run', id, 'checkpoints', moment],
    queryFn: () => read<T.Page<T.Checkpoint>>(server.GET('/api/v1/runs/{id}/checkpoints', of(id))),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  })

/** What a step has changed in the work tree. A step that is made again may change something else. */
export const diffQuery = (id: string, number: number) =>
  queryOptions({
    queryKey: ['run', id, 'diff', number],
    queryFn: () => readBody(endpoints.diff(id, number)),
    staleTime: 10_000,
  })

/** The runs that a step started, in the order of its items. */
export const childrenQuery = (id: string, nodeId: string, live: boolean) =>
  infiniteQueryOptions({
    queryKey: ['run', id, 'children', nodeId],
    queryFn: ({ pageParam }) => {
      const query = { parent: id, node: nodeId, limit: itemsAtOnce, ...(pageParam && { cursor: pageParam }) }
      return read<T.Page<T.RunSummary>>(server.GET('/api/v1/runs', { params: { query } }))
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: live ? 2_000 : false,
    staleTime: 0,
  })

/** The conflicts that the rebases of a run have met. */
export const conflictsQuery = (id: string, live: boolean) =>
  queryOptions({
    queryKey: ['run', id, 'conflicts'],
    queryFn: () => read<T.Page<T.Conflict>>(server.GET('/api/v1/runs/{id}/conflicts', of(id))),
    refetchInterval: live ? 3_000 : false,
    staleTime: 0,
  })

export const resolveConflict = (id: string, conflict: string, body: T.ConflictAnswer) =>
  read<T.Conflict>(
    server.POST('/api/v1/runs/{id}/conflicts/{conflict_id}/resolution', {
      params: { path: { id, conflict_id: conflict } },
      body,
    }),
  )

export const pauseRun = (id: string) => read<T.Run>(server.POST('/api/v1/runs/{id}/pause', of(id)))
export const resumeRun = (id: string) => read<T.Run>(server.POST('/api/v1/runs/{id}/resume', of(id)))

export const sendSignal = (id: string, name: string, payload: T.Json) =>
  read<T.Run>(server.POST('/api/v1/runs/{id}/signals/{name}', { params: { path: { id, name } }, body: payload }))

/** `key` makes a double click, or a retry after a lost answer, start one run and not two. */
export const rerun = (id: string, body: T.Rerun, key: string) =>
  read<T.Run>(
    server.POST('/api/v1/runs/{id}/rerun', { params: { path: { id }, header: { 'Idempotency-Key': key } }, body }),
  )

export const rerunPlanQuery = (id: string, body: T.Rerun) =>
  queryOptions({
    queryKey: ['run', id, 'plan', body],
    queryFn: () => read<T.RerunPlan>(server.POST('/api/v1/runs/{id}/rerun/plan', { ...of(id), body })),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
    retry: false,
  })

const waiting = (limit: number, cursor: string) =>
  read<T.Page<T.Approval>>(
    server.GET('/api/v1/approvals', { params: { query: { status: 'waiting', limit, ...(cursor && { cursor }) } } }),
  )

/** What waits for a person. The badge in the navigation and the page share it. */
export const approvalsQuery = infiniteQueryOptions({
  queryKey: ['approvals'],
  queryFn: ({ pageParam }) => waiting(50, pageParam),
  initialPageParam: '',
  getNextPageParam: (page) => page.next_cursor ?? undefined,
  refetchInterval: 10_000,
})

/** What one step asks; null when it asks nothing any more. */
export const approvalQuery = (runId: string, nodeId: string) =>
  queryOptions({
    queryKey: ['approvals', runId, nodeId],
    queryFn: async () => {
      for (let cursor = ''; ;) {
        const page = await waiting(200, cursor)
        const found = page.items.find((one) => one.run_id === runId && one.node_id === nodeId)
        if (found || !page.next_cursor) return found ?? null
        cursor = page.next_cursor
      }
    },
    refetchInterval: 10_000,
  })

export const decide = ({ run_id, node_id, digest }: T.Approval, decision: T.Verdict, comment: string) =>
  read<unknown>(
    server.POST('/api/v1/runs/{id}/approvals/{node_id}', {
      params: { path: { id: run_id, node_id } },
      body: { decision, digest, ...(comment && { comment }) },
    }),
  )

/** A value that is too large to be shown with the rest. */
export const blobQuery = (id: string, key: string) =>
  queryOptions({
    queryKey: ['run', id, 'blob', key],
    queryFn: () => readBody(endpoints.blob(id, key)),
    staleTime: Infinity,
    gcTime: 60_000,
  })

export const workspaceQuery = queryOptions({
  queryKey: ['workspace'],
  queryFn: () => read<T.WorkspaceSettings>(server.GET('/api/v1/workspace')),
})

export const patchWorkspace = (patch: T.WorkspaceSettings) =>
  read<T.WorkspaceSettings>(server.PATCH('/api/v1/workspace', { body: patch }))
