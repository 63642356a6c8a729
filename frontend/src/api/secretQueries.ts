import { queryOptions } from '@tanstack/react-query'

import { read, server } from './client'
import type * as T from './types'

// Secrets: a value goes in and never comes out.

const of = (name: string) => ({ params: { path: { name } } })

export const secretsQuery = queryOptions({
  queryKey: ['secrets'],
  queryFn: async () => (await read<T.Page<T.Secret>>(server.GET('/api/v1/secrets'))).items,
})

export const createSecret = (body: { name: string; value: string; hosts: string[] }) =>
  read<T.Secret>(server.POST('/api/v1/secrets', { body }))

export const changeSecret = (name: string, body: { value?: string; hosts?: string[] }) =>
  read<T.Secret>(server.PUT('/api/v1/secrets/{name}', { ...of(name), body }))

/** `fallBack` says that steps may use the operator's secret of the same name from then on. */
export const deleteSecret = (name: string, fallBack: boolean) =>
  read<T.SecretDeleted>(
    server.DELETE('/api/v1/secrets/{name}', {
      params: { path: { name }, ...(fallBack && { query: { fall_back: true } }) },
    }),
  )
