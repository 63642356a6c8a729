import { infiniteQueryOptions, keepPreviousData, QueryClient, queryOptions } from '@tanstack/react-query'

import { endpoints } from '../util/paths'

import { ApiError, request } from './client'
import { setSession } from './session'
import type * as T from './types'

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server refused it will refuse again; only an unreachable one is asked twice more.
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      staleTime: 5_000,
    },
  },
})

export const profileQuery = queryOptions({
  queryKey: ['profile'],
  queryFn: () => request<T.Profile>('GET', endpoints.profile),
  staleTime: Infinity,
})

export const nodeTypesQuery = queryOptions({
  queryKey: ['node-types'],
  queryFn: async () => (await request<{ items: T.NodeType[] }>('GET', endpoints.nodeTypes)).items,
  staleTime: Infinity,
})

export type WorkflowFilter = { q?: string; status?: T.WorkflowStatus }

export const workflowsQuery = (filter: WorkflowFilter) =>
  infiniteQueryOptions({
    queryKey: ['workflows', filter],
    queryFn: ({ pageParam }) =>
      request<T.Page<T.Workflow>>('GET', endpoints.workflows, { query: { ...filter, limit: 50, cursor: pageParam } }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  })

export const workflowQuery = (id: string) =>
  queryOptions({
    queryKey: ['workflow', id],
    queryFn: () => request<T.Workflow>('GET', endpoints.workflow(id)),
  })

export const versionQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ['workflow', id, 'version', version],
    queryFn: () => request<T.Version>('GET', endpoints.version(id, version)),
    // A version never changes.
    staleTime: Infinity,
  })

export type RunFilter = { workflow_id?: string; status?: T.RunStatus }

export const runsQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: ['runs', filter],
    queryFn: ({ pageParam }) =>
      request<T.Page<T.RunSummary>>('GET', endpoints.runs, { query: { ...filter, limit: 50, cursor: pageParam } }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 4_000,
  })

/** `moment` is whatever changes when the run has news: a new one asks again. */
export const runQuery = (id: string, moment = '') =>
  queryOptions({ queryKey: ['run', id, moment], queryFn: () => request<T.Run>('GET', endpoints.run(id)) })

export const stepsQuery = (id: string, moment = '') =>
  queryOptions({
    queryKey: ['run', id, 'steps', moment],
    queryFn: async () => (await request<{ items: T.StepRow[] }>('GET', endpoints.steps(id))).items,
  })

export const signIn = (body: { email: string; password: string }) =>
  request<T.Token>('POST', endpoints.login, { body, anonymous: true }).then(setSession)

export const setUp = (body: { token: string; email: string; password: string; workspace: string }) =>
  request<T.Token>('POST', endpoints.setup, { body, anonymous: true }).then(setSession)

export const setupRequired = () =>
  request<{ setup_required: boolean }>('GET', endpoints.authStatus, { anonymous: true }).then(
    (status) => status.setup_required,
  )

export async function signOut(): Promise<void> {
  await request<void>('POST', endpoints.logout)
  setSession(null)
  queryClient.clear()
}

export const createWorkflow = (body: { name: string; graph: T.Graph }) =>
  request<T.Workflow>('POST', endpoints.workflows, { body })

export const patchWorkflow = (id: string, body: { name?: string; description?: string; status?: T.WorkflowStatus }) =>
  request<T.Workflow>('PATCH', endpoints.workflow(id), { body })

export const archiveWorkflow = (id: string) => request<void>('DELETE', endpoints.workflow(id))

export const saveVersion = (id: string, body: { graph: T.Graph; base_version: number; note?: string }) =>
  request<T.Version>('POST', endpoints.versions(id), { body })

export const publishVersion = (id: string, version: number) =>
  request<T.Workflow>('POST', endpoints.publish(id), { body: { version } })

export const validateGraph = (graph: T.Graph, signal: AbortSignal) =>
  request<T.Validation>('POST', endpoints.validate, { body: { graph }, signal })

/** `key` makes a double click, or a retry after a lost answer, start one run and not two. */
export const startRun = (id: string, body: { input?: T.Json; version?: number }, key: string) =>
  request<T.Run>('POST', endpoints.startRun(id), { body, headers: { 'Idempotency-Key': key } })

export const cancelRun = (id: string) => request<T.Run>('POST', endpoints.cancel(id))
