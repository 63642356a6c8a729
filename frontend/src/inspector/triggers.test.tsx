import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { useState } from 'react'
import { afterEach, expect, test } from 'vitest'

import { secretsQuery } from '../api/secretQueries'
import type { JsonObject, NodeType, Schema } from '../api/types'

import { Params } from './Params'

afterEach(cleanup)

const fields = {
  secret: { type: 'string', 'x-widget': 'secret' },
  cron: { type: 'string', 'x-widget': 'cron' },
  timezone: { type: 'string', 'x-widget': 'timezone', default: 'UTC' },
  jitter_s: { type: 'integer' },
} satisfies Record<string, Schema>

let latest: JsonObject

function show(trigger: boolean, ...names: (keyof typeof fields)[]): void {
  const schema = { type: 'object', properties: Object.fromEntries(names.map((name) => [name, fields[name]])) }
  const type = { type: 'any', ports: ['out'], trigger, params_schema: schema } as unknown as NodeType
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } })
  client.setQueryData(secretsQuery.queryKey, [
    { name: 'ORDERS_KEY', hosts: [], created_at: '', updated_at: '', used_by: [] },
  ])
  function Page() {
    const [value, setValue] = useState<JsonObject>({})
    latest = value
    return (
      <Params
        node={{ id: 'a', type: 'any', params: value }}
        type={type}
        problems={[]}
        body={undefined}
        onChange={setValue}
      />
    )
  }
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={client}>
        <Page />
      </QueryClientProvider>
    </MantineProvider>,
  )
}

test('a step uses a secret within a template', async () => {
  show(false, 'secret', 'jitter_s')
  fireEvent.click(screen.getByLabelText('Use a secret for Secret'))
  fireEvent.click(await screen.findByText('ORDERS_KEY'))
  expect(latest).toEqual({ secret: '{{ secrets.ORDERS_KEY }}' })
  expect(screen.getByLabelText('Give an expression for Jitter (seconds)')).toBeTruthy()
})

test('a trigger names a secret and takes no expressions', async () => {
  show(true, 'secret', 'jitter_s')
  fireEvent.focus(screen.getByLabelText('Secret', { selector: 'input' }))
  fireEvent.click(screen.getByLabelText('Secret', { selector: 'input' }))
  fireEvent.click(await screen.findByText('ORDERS_KEY'))
  expect(latest).toEqual({ secret: 'ORDERS_KEY' })
  expect(screen.queryByLabelText(/Give an expression/)).toBeNull()
})

test('expressions and zones that are not offered may be typed, and an emptied field is left out', () => {
  show(true, 'cron', 'timezone')
  fireEvent.change(screen.getByLabelText('Cron', { selector: 'input' }), { target: { value: '7 7 * * *' } })
  fireEvent.change(screen.getByLabelText('Timezone', { selector: 'input' }), { target: { value: 'Etc/GMT+3' } })
  expect(latest).toEqual({ cron: '7 7 * * *', timezone: 'Etc/GMT+3' })
  fireEvent.change(screen.getByLabelText('Timezone', { selector: 'input' }), { target: { value: '' } })
  expect(latest).toEqual({ cron: '7 7 * * *' })
})
