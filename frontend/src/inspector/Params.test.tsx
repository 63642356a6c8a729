import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { useState } from 'react'
import { afterEach, expect, test, vi } from 'vitest'

import type { JsonObject, NodeType, Schema } from '../api/types'

import { Params } from './Params'

afterEach(cleanup)

const item: Schema = { type: 'object', properties: { equals: { 'x-widget': 'json' }, port: { type: 'string' } } }
const choose = {
  type: 'switch',
  ports: ['default'],
  ports_from: 'cases',
  params_schema: { type: 'object', properties: { cases: { type: 'array', items: item } }, required: ['cases'] },
} as unknown as NodeType

const each = {
  type: 'map',
  ports: ['out'],
  body: 'body',
  params_schema: {
    type: 'object',
    properties: {
      items: { type: 'string' },
      body: {},
      workflow: { type: 'string' },
      max_parallel: { type: 'integer' },
    },
  },
} as unknown as NodeType

let latest: JsonObject
const onEnter = vi.fn()

function show(type: NodeType, params: JsonObject, titles?: string[]): void {
  function Page() {
    const [value, setValue] = useState(params)
    latest = value
    return (
      <Params
        node={{ id: 'a', type: type.type, params: value }}
        type={type}
        problems={[]}
        body={titles && { param: 'body', titles, onEnter }}
        onChange={setValue}
      />
    )
  }
  render(
    <MantineProvider>
      <QueryClientProvider client={new QueryClient()}>
        <Page />
      </QueryClientProvider>
    </MantineProvider>,
  )
}

const port = () => screen.getByLabelText('Port')
const type = (field: HTMLElement, value: string) => fireEvent.change(field, { target: { value } })

test('an exit gets its name when the field is left, and not a name that is taken', () => {
  show(choose, { cases: [{ equals: 1, port: 'one' }] })
  type(port(), 'def')
  expect(latest.cases).toEqual([{ equals: 1, port: 'one' }])
  type(port(), 'default')
  fireEvent.blur(port())
  expect(screen.getByText('Another exit has this name.')).toBeTruthy()
  expect(latest.cases).toEqual([{ equals: 1, port: 'one' }])
  type(port(), 'first')
  fireEvent.blur(port())
  expect(latest.cases).toEqual([{ equals: 1, port: 'first' }])
})

test('what a case is compared with is typed without quotes', () => {
  show(choose, { cases: [{ equals: 1, port: 'one' }] })
  type(screen.getByLabelText('Equals'), 'high')
  expect(latest.cases).toEqual([{ equals: 'high', port: 'one' }])
  type(screen.getByLabelText('Equals'), '2.50')
  expect(latest.cases).toEqual([{ equals: 2.5, port: 'one' }])
})

test('the steps inside stand where their parameter would, and are opened from there', () => {
  show(each, { items: 'x', body: { nodes: [], edges: [] } }, ['Fetch', 'Store'])
  expect(screen.queryByLabelText('Body')).toBeNull()
  fireEvent.click(screen.getByText('2 steps'))
  expect(onEnter).toHaveBeenCalledOnce()
  expect(screen.getByText('Fetch, Store')).toBeTruthy()
})

test('a workflow is offered instead of the steps, and going back takes it away', () => {
  show(each, { items: 'x', workflow: 'wf_1' }, [])
  expect(screen.getByLabelText(/Workflow/)).toBeTruthy()
  fireEvent.click(screen.getByText('Run steps'))
  expect(latest).toEqual({ items: 'x' })
  expect(screen.getByText('No steps yet')).toBeTruthy()
})
