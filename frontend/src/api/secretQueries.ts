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

export const deleteSecret = (name: string) => read<T.SecretDeleted>(server.DELETE('/api/v1/secrets/{name}', of(name)))
