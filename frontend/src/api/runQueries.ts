import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'

import { endpoints } from '../util/paths'

import { readBody, send } from './client'
import type * as T from './types'

// What is asked of one run, and of the people it waits for.

const seg = encodeURIComponent
const run = (id: string) => `/api/v1/runs/${seg(id)}`

/** A part of a list of a run's items. */
const itemsAtOnce = 100

export const whyQuery = (id: string, moment: string) =>
  queryOptions({
    queryKey: ['run', id, 'why', moment],
    queryFn: () => send<T.Why>('GET', `${run(id)}/why`),
    placeholderData: keepPreviousData,
    refetchInterval: 3_000,
    staleTime: 0,
    gcTime: 0,
  })

/** The runs that a step started, in the order of its items. */
export const childrenQuery = (id: string, nodeId: string, live: boolean) =>
  infiniteQueryOptions({
    queryKey: ['run', id, 'children', nodeId],
    queryFn: ({ pageParam }) => {
      const query = new URLSearchParams({ parent: id, node: nodeId, limit: String(itemsAtOnce) })
      if (pageParam) query.set('cursor', pageParam)
      return send<T.Page<T.RunSummary>>('GET', `/api/v1/runs?${query}`)
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: live ? 2_000 : false,
    staleTime: 0,
  })

export const pauseRun = (id: string) => send<T.Run>('POST', `${run(id)}/pause`)
export const resumeRun = (id: string) => send<T.Run>('POST', `${run(id)}/resume`)

export const sendSignal = (id: string, name: string, payload: T.Json) =>
  send<void>('POST', `${run(id)}/signals/${seg(name)}`, payload)

export const rerun = (id: string, body: T.Rerun) => send<T.Run>('POST', `${run(id)}/rerun`, body)

export const rerunPlanQuery = (id: string, body: T.Rerun) =>
  queryOptions({
    queryKey: ['run', id, 'plan', body],
    queryFn: ({ signal }) => send<T.RerunPlan>('POST', `${run(id)}/rerun/plan`, body, signal),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
    retry: false,
  })

/** What waits for a person. The badge in the navigation and the page share it. */
export const approvalsQuery = infiniteQueryOptions({
  queryKey: ['approvals'],
  queryFn: ({ pageParam }) => {
    const query = new URLSearchParams({ status: 'waiting' })
    if (pageParam) query.set('cursor', pageParam)
    return send<T.Page<T.Approval>>('GET', `/api/v1/approvals?${query}`)
  },
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
        const query = new URLSearchParams({ status: 'waiting', limit: '200', ...(cursor && { cursor }) })
        const page = await send<T.Page<T.Approval>>('GET', `/api/v1/approvals?${query}`)
        const found = page.items.find((one) => one.run_id === runId && one.node_id === nodeId)
        if (found || !page.next_cursor) return found ?? null
        cursor = page.next_cursor
      }
    },
    refetchInterval: 10_000,
  })

export const decide = (approval: T.Approval, decision: T.Verdict, comment: string) =>
  send<unknown>('POST', `${run(approval.run_id)}/approvals/${seg(approval.node_id)}`, {
    decision,
    digest: approval.digest,
    ...(comment && { comment }),
  })

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
  queryFn: () => send<T.WorkspaceSettings>('GET', '/api/v1/workspace'),
})

export const patchWorkspace = (patch: T.WorkspaceSettings) =>
  send<T.WorkspaceSettings>('PATCH', '/api/v1/workspace', patch)
