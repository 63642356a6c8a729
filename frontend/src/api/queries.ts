import { infiniteQueryOptions, keepPreviousData, QueryClient, queryOptions } from '@tanstack/react-query'

import { ApiError, read, server, visitor } from './client'
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

const of = (id: string) => ({ params: { path: { id } } })

/** A part of a list; the first one has no cursor. */
const part = (cursor: string) => ({ limit: 50, ...(cursor && { cursor }) })

export const profileQuery = queryOptions({
  queryKey: ['profile'],
  queryFn: () => read<T.Profile>(server.GET('/api/v1/auth/profile')),
  staleTime: Infinity,
})

export const nodeTypesQuery = queryOptions({
  queryKey: ['node-types'],
  queryFn: async () => (await read<T.Page<T.NodeType>>(server.GET('/api/v1/node-types'))).items,
  staleTime: Infinity,
})

export type WorkflowFilter = { q?: string; status?: T.WorkflowStatus }

export const workflowsQuery = (filter: WorkflowFilter) =>
  infiniteQueryOptions({
    queryKey: ['workflows', filter],
    queryFn: ({ pageParam }) =>
      read<T.Page<T.Workflow>>(
        server.GET('/api/v1/workflows', { params: { query: { ...filter, ...part(pageParam) } } }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  })

export const workflowQuery = (id: string) =>
  queryOptions({
    queryKey: ['workflow', id],
    queryFn: () => read<T.Workflow>(server.GET('/api/v1/workflows/{id}', of(id))),
  })

export const versionQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ['workflow', id, 'version', version],
    queryFn: () =>
      read<T.Version>(server.GET('/api/v1/workflows/{id}/versions/{n}', { params: { path: { id, n: version } } })),
    // A version never changes.
    staleTime: Infinity,
  })

export type RunFilter = { workflow_id?: string; status?: T.RunStatus }

export const runsQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: ['runs', filter],
    queryFn: ({ pageParam }) =>
      read<T.Page<T.RunSummary>>(server.GET('/api/v1/runs', { params: { query: { ...filter, ...part(pageParam) } } })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 4_000,
  })

/** `moment` is whatever changes when the run has news: a new one asks again. */
export const runQuery = (id: string, moment = '') =>
  queryOptions({ queryKey: ['run', id, moment], queryFn: () => read<T.Run>(server.GET('/api/v1/runs/{id}', of(id))) })

export const stepsQuery = (id: string, moment = '') =>
  queryOptions({
    queryKey: ['run', id, 'steps', moment],
    queryFn: async () => (await read<T.Page<T.StepRow>>(server.GET('/api/v1/runs/{id}/steps', of(id)))).items,
  })

export const signIn = (body: { email: string; password: string }) =>
  read<T.Token>(visitor.POST('/api/v1/auth/login', { body })).then(setSession)

export const setUp = (body: { token: string; email: string; password: string; workspace: string }) =>
  read<T.Token>(visitor.POST('/api/v1/auth/setup', { body })).then(setSession)

export const setupRequired = () =>
  read<{ setup_required: boolean }>(visitor.GET('/api/v1/auth/status')).then((status) => status.setup_required)

export async function signOut(): Promise<void> {
  await read<void>(server.POST('/api/v1/auth/logout'))
  setSession(null)
  queryClient.clear()
}

export const createWorkflow = (body: { name: string; graph: T.Graph }) =>
  read<T.Workflow>(server.POST('/api/v1/workflows', { body }))

export const patchWorkflow = (id: string, body: { name?: string; description?: string; status?: T.WorkflowStatus }) =>
  read<T.Workflow>(server.PATCH('/api/v1/workflows/{id}', { ...of(id), body }))

export const archiveWorkflow = (id: string) => read<void>(server.DELETE('/api/v1/workflows/{id}', of(id)))

export const saveVersion = (id: string, body: { graph: T.Graph; base_version: number; note?: string }) =>
  read<T.Version>(server.POST('/api/v1/workflows/{id}/versions', { ...of(id), body }))

export const publishVersion = (id: string, version: number) =>
  read<T.Workflow>(server.POST('/api/v1/workflows/{id}/publish', { ...of(id), body: { version } }))

export const validateGraph = (graph: T.Graph, signal: AbortSignal) =>
  read<T.Validation>(server.POST('/api/v1/workflows/validate', { body: { graph }, signal }))

/** `key` makes a double click, or a retry after a lost answer, start one run and not two. */
export const startRun = (id: string, body: { input?: T.Json; version?: number; priority?: T.Priority }, key: string) =>
  read<T.Run>(
    server.POST('/api/v1/workflows/{id}/runs', { params: { path: { id }, header: { 'Idempotency-Key': key } }, body }),
  )

export const cancelRun = (id: string) => read<T.Run>(server.POST('/api/v1/runs/{id}/cancel', of(id)))
