import { MantineProvider } from '@mantine/core'
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { useState } from 'react'
import { afterEach, describe, expect, test } from 'vitest'

import type { JsonObject, Problem, Schema } from '../api/types'

import { bare, defaultsOf, isShown, kindOf, labelOf } from './schema'
import { SchemaForm } from './SchemaForm'

afterEach(cleanup)

describe('fields that mean something beside others only', () => {
  const beside: Record<string, Schema> = {
    scheme: {
      default: 'none',
      oneOf: [
        { const: 'none', title: 'Nothing' },
        { const: 'bearer', title: 'Bearer token' },
      ],
    },
    secret: { type: 'string', 'x-shown-when': { scheme: ['bearer', 'basic'] } },
  }
  const shown = (value: JsonObject) => isShown(beside.secret ?? {}, beside, value)

  test('are drawn for these choices', () => {
    expect([shown({}), shown({ scheme: 'none' }), shown({ scheme: '' })]).toEqual([false, false, false])
    expect([shown({ scheme: 'bearer' }), shown({ scheme: 'basic' }), shown({ scheme: '{{ x }}' })]).toEqual([
      true,
      true,
      true,
    ])
    expect(isShown({ anyOf: [{ type: 'string' }, { type: 'null' }] }, beside, {})).toBe(true)
    expect(isShown({ 'x-shown-when': { scheme: ['none'], other: [1] } }, beside, {})).toBe(false)
  })

  test('keep their values, and are drawn when something is wrong with them', () => {
    let latest: JsonObject = {}
    const Page = ({ problems }: { problems: Problem[] }) => {
      const [value, setValue] = useState<JsonObject>({ scheme: 'bearer', secret: 'KEY' })
      latest = value
      return (
        <MantineProvider env="test">
          <SchemaForm
            root="params"
            schema={{ properties: { ...beside, secret: { ...beside.secret, 'x-placeholder': 'KEY' } } }}
            value={value}
            problems={problems}
            onChange={setValue}
          />
          <button onClick={() => setValue({ ...value, scheme: 'none' })}>Nothing proves it</button>
        </MantineProvider>
      )
    }
    const { rerender } = render(<Page problems={[]} />)
    expect(screen.getByDisplayValue('Bearer token')).toBeTruthy()
    expect(screen.getByDisplayValue('KEY')).toBeTruthy()
    fireEvent.click(screen.getByText('Nothing proves it'))
    expect(screen.queryByDisplayValue('KEY')).toBeNull()
    expect(latest).toEqual({ scheme: 'none', secret: 'KEY' })
    rerender(<Page problems={[{ field: 'params.secret', message: 'is no name' } as Problem]} />)
    expect(screen.getByDisplayValue('KEY')).toBeTruthy()
  })
})

describe('what a property is drawn as', () => {
  test.each<[string, Schema | boolean]>([
    ['text', { type: 'string' }],
    ['text', { type: ['string', 'null'] }],
    ['integer', { anyOf: [{ type: 'integer' }, { type: 'null' }] }],
    ['number', { type: 'number' }],
    ['toggle', { type: 'boolean' }],
    ['code', { type: 'string', 'x-widget': 'code', 'x-language': 'javascript' }],
    ['pairs', { type: 'object', additionalProperties: { type: 'string' } }],
    ['select', { enum: ['a', 'b'] }],
    ['select', { oneOf: [{ const: 'a', description: 'First' }, { enum: ['b', 'c'] }] }],
    ['object', { type: 'object', properties: { a: { type: 'string' } } }],
    ['list', { type: 'array', items: { type: 'string' } }],
    ['json', { type: 'array', items: true }],
    ['json', { type: 'array', items: { type: 'array', items: { type: 'string' } } }],
    ['json', { anyOf: [{ type: 'string' }, { type: 'number' }] }],
    ['json', true],
    ['json', {}],
  ])('%s', (kind, schema) => expect(kindOf(schema as Schema).kind).toBe(kind))

  test('objects told apart by a constant are variants', () => {
    const option = (scheme: string): Schema => ({
      type: 'object',
      properties: { scheme: { const: scheme }, user: { type: 'string' } },
    })
    const kind = kindOf({ anyOf: [{ oneOf: [option('basic'), option('digest')] }, { type: 'null' }] })
    expect(kind).toMatchObject({ kind: 'variant', variants: [{ tag: 'scheme', value: 'basic' }, { value: 'digest' }] })
  })

  test('an optional property keeps its own words', () => {
    expect(bare({ description: 'Mine', anyOf: [{ type: 'string', description: 'Inner' }, { type: 'null' }] })).toEqual({
      type: 'string',
      description: 'Mine',
    })
  })

  test('labels are made of names, defaults of what is required', () => {
    expect(['max_parallel', 'timeout_s', 'url', 's'].map((name) => labelOf(name, {}))).toEqual([
      'Max parallel',
      'Timeout (seconds)',
      'URL',
      'S',
    ])
    expect(defaultsOf({ required: ['a', 'b'], properties: { a: { default: 1 }, b: {}, c: { default: 2 } } })).toEqual({
      a: 1,
    })
  })
})

const schema: Schema = {
  type: 'object',
  required: ['url'],
  properties: {
    url: { type: 'string', title: 'Address', description: 'Where to send it.' },
    count: { type: ['integer', 'null'] },
    on: { type: 'boolean' },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
  },
}

let latest: JsonObject
function show(value: JsonObject, problems: Problem[] = []): void {
  function Page() {
    const [current, setCurrent] = useState(value)
    latest = current
    return <SchemaForm root="params" schema={schema} value={current} onChange={setCurrent} problems={problems} />
  }
  render(
    <MantineProvider>
      <Page />
    </MantineProvider>,
  )
}

const type = (label: string | RegExp, value: string) =>
  fireEvent.change(screen.getByLabelText(label), { target: { value } })

test('typing changes one property and keeps those the form does not know', () => {
  show({ url: 'http://a', mystery: [1] })
  type(/Address/, 'http://b')
  expect(latest).toEqual({ url: 'http://b', mystery: [1] })
  expect(screen.getByText('Where to send it.')).toBeTruthy()
})

test('an emptied optional field is left out, a required one stays', () => {
  show({ url: 'x', count: 3 })
  type('Count', '')
  type(/Address/, '')
  expect(latest).toEqual({ url: '' })
})

test('a number may become an expression and a number again', () => {
  show({ url: 'x', count: 3 })
  fireEvent.click(screen.getByLabelText('Give an expression for Count'))
  type('Count', '{{ trigger.n }}')
  expect(latest.count).toBe('{{ trigger.n }}')
  fireEvent.click(screen.getByLabelText('Give a fixed value for Count'))
  type('Count', '7')
  expect(latest.count).toBe(7)
})

test('pairs are stored when they have a name', () => {
  show({ url: 'x' })
  fireEvent.click(screen.getByText('Add'))
  expect(latest).toEqual({ url: 'x' })
  type('Headers: value 1', 'json')
  type('Headers: name 1', 'Accept')
  expect(latest.headers).toEqual({ Accept: 'json' })
})

test('a problem is shown at the field that it names', () => {
  show({}, [{ code: 'missing_parameter', message: 'The address is missing.', node_id: 'a', field: 'params.url' }])
  const field = screen.getByLabelText(/Address/)
  expect(field.getAttribute('aria-invalid')).toBe('true')
  expect(field.id).toBe('field-params.url')
  expect(screen.getByText('The address is missing.')).toBeTruthy()
})
