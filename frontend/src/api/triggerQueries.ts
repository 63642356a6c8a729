import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'

import { read, server } from './client'
import type * as T from './types'

// What comes from outside: triggers, what came to them, and when schedules fire.

const of = (id: string) => ({ params: { path: { id } } })

const part = (cursor: string) => ({ limit: 50, ...(cursor && { cursor }) })

export type TriggerFilter = { kind?: T.TriggerKind; workflow_id?: string }

export const triggersQuery = (filter: TriggerFilter) =>
  infiniteQueryOptions({
    queryKey: ['triggers', filter],
    queryFn: ({ pageParam }) =>
      read<T.Page<T.Trigger>>(server.GET('/api/v1/triggers', { params: { query: { ...filter, ...part(pageParam) } } })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  })

export const triggerQuery = (id: string) =>
  queryOptions({
    queryKey: ['trigger', id],
    queryFn: () => read<T.Trigger>(server.GET('/api/v1/triggers/{id}', of(id))),
    refetchInterval: 5_000,
  })

/** The trigger of a node; null when no version that has it was saved yet. */
export const triggerOfNodeQuery = (workflowId: string, nodeId: string) =>
  queryOptions({
    queryKey: ['triggers', 'of', workflowId, nodeId],
    queryFn: async () => {
      for (let cursor = ''; ;) {
        const query = { workflow_id: workflowId, limit: 200, ...(cursor && { cursor }) }
        const page = await read<T.Page<T.Trigger>>(server.GET('/api/v1/triggers', { params: { query } }))
        const found = page.items.find((one) => one.node_id === nodeId)
        if (found || !page.next_cursor) return found ?? null
        cursor = page.next_cursor
      }
    },
  })

export const pauseTrigger = (id: string) => read<T.Trigger>(server.POST('/api/v1/triggers/{id}/pause', of(id)))

export const resumeTrigger = (id: string, held: T.Held) =>
  read<T.Trigger & { held: number }>(server.POST('/api/v1/triggers/{id}/resume', { ...of(id), body: { held } }))

export const rotateTrigger = (id: string) => read<T.Trigger>(server.POST('/api/v1/triggers/{id}/rotate', of(id)))

export type DeliveryFilter = { trigger_id: string; status?: T.DeliveryStatus }

export const deliveriesQuery = (filter: DeliveryFilter) =>
  infiniteQueryOptions({
    queryKey: ['deliveries', filter],
    queryFn: ({ pageParam }) =>
      read<T.Page<T.DeliverySummary>>(
        server.GET('/api/v1/deliveries', { params: { query: { ...filter, ...part(pageParam) } } }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 3_000,
  })

export const deliveryQuery = (id: string) =>
  queryOptions({
    queryKey: ['delivery', id],
    queryFn: () => read<T.Delivery>(server.GET('/api/v1/deliveries/{id}', of(id))),
  })

export const replayDelivery = (id: string) => read<T.Delivery>(server.POST('/api/v1/deliveries/{id}/replay', of(id)))
export const releaseDelivery = (id: string) => read<T.Delivery>(server.POST('/api/v1/deliveries/{id}/release', of(id)))
export const dropDelivery = (id: string) => read<T.Delivery>(server.POST('/api/v1/deliveries/{id}/drop', of(id)))

/** `moment` is whatever changes when the schedule has fired: a new one asks again. */
export const firesQuery = (id: string, moment: string) =>
  queryOptions({
    queryKey: ['trigger', id, 'fires', moment],
    queryFn: () => read<T.Fires>(server.GET('/api/v1/triggers/{id}/fires', of(id))),
    placeholderData: keepPreviousData,
    gcTime: 0,
  })

/** When a schedule would fire that is still being written. */
export const previewQuery = (params: T.JsonObject, count: number) =>
  queryOptions({
    queryKey: ['schedule', params, count],
    queryFn: ({ signal }) => {
      const body = { ...params, cron: String(params.cron ?? ''), count }
      return read<T.Fires>(server.POST('/api/v1/schedules/preview', { body, signal }))
    },
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    gcTime: 0,
    retry: false,
  })

export const backfill = (id: string, range: { from: string; to: string }) =>
  read<T.Backfilled>(server.POST('/api/v1/triggers/{id}/backfill', { ...of(id), body: range }))
