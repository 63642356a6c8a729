import { keepPreviousData, queryOptions } from '@tanstack/react-query'

import { read, server } from './client'
import type * as T from './types'

// What turns of models cost, and what may be spent on them. Money is in dollars.

const of = (id: string) => ({ params: { path: { id } } })
const once = (id: string, key: string) => ({ params: { path: { id }, header: { 'Idempotency-Key': key } } })

export const budgetsQuery = queryOptions({
  queryKey: ['budgets'],
  queryFn: async () => (await read<T.Page<T.Budget>>(server.GET('/api/v1/budgets'))).items,
  refetchInterval: 10_000,
})

export const topUpsQuery = (id: string) =>
  queryOptions({
    queryKey: ['budgets', id, 'top-ups'],
    queryFn: async () => (await read<T.Page<T.TopUp>>(server.GET('/api/v1/budgets/{id}/top-ups', of(id)))).items,
  })

export const createBudget = (body: T.NewBudget) => read<T.Budget>(server.POST('/api/v1/budgets', { body }))

export const changeBudget = (id: string, limit_usd: number) =>
  read<T.Budget>(server.PATCH('/api/v1/budgets/{id}', { ...of(id), body: { limit_usd } }))

export const deleteBudget = (id: string) => read<unknown>(server.DELETE('/api/v1/budgets/{id}', of(id)))

/** `key` makes a double click, or a retry after a lost answer, add the money once. */
export const topUpBudget = (id: string, body: { amount_usd: number; note: string }, key: string) =>
  read<T.Budget>(server.POST('/api/v1/budgets/{id}/top-ups', { ...once(id, key), body }))

export const runBudgetQuery = (id: string, live: boolean) =>
  queryOptions({
    queryKey: ['run', id, 'budget'],
    queryFn: () => read<T.RunBudget>(server.GET('/api/v1/runs/{id}/budget', of(id))),
    placeholderData: keepPreviousData,
    refetchInterval: live ? 2_000 : false,
    staleTime: 0,
  })

export const topUpRun = (id: string, body: { amount_usd: number; node_id?: string; note: string }, key: string) =>
  read<T.RunBudget>(server.POST('/api/v1/runs/{id}/budget', { ...once(id, key), body }))

export const usageQuery = (by: T.UsageBy, from: string, timeZone: string) =>
  queryOptions({
    queryKey: ['usage', by, from, timeZone],
    queryFn: () =>
      read<T.Usage>(server.GET('/api/v1/usage', { params: { query: { group_by: by, from, time_zone: timeZone } } })),
    placeholderData: keepPreviousData,
  })
