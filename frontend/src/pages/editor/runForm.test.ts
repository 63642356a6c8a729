import { expect, test } from 'vitest'

import type { Graph } from '../../api/types'

import { faultsOf, firstValues, formOf, toInput } from './runForm'

const graph = (fields: unknown): Graph =>
  ({ nodes: [{ id: 'start', type: 'trigger.manual', params: { fields } }], edges: [] }) as unknown as Graph

const form = formOf(
  graph([
    { name: 'customer', label: 'Customer', required: true },
    { name: 'amount', type: 'number', default: 5 },
    { name: 'size', type: 'select', options: ['s', { value: 'l', label: 'Large' }], required: true },
    { name: 'gift', type: 'boolean', required: true },
    { name: 'notes', type: 'textarea' },
  ]),
)

test('the form of a run is drawn from the fields of its manual trigger', () => {
  expect(form?.properties).toMatchObject({
    customer: { type: 'string', title: 'Customer' },
    amount: { type: 'number', default: 5 },
    size: { enum: ['s', 'l'] },
    gift: { type: 'boolean' },
    notes: { 'x-widget': 'textarea' },
  })
  expect(formOf(graph([]))).toBeNull()
  expect(firstValues(form)).toEqual({ amount: 5 })
})

test('each field says what is wrong with it, and nothing once that is right', () => {
  const faults = (values: Parameters<typeof faultsOf>[1]) =>
    (form ? faultsOf(form, values) : []).map(({ field }) => field)
  expect(faults({})).toEqual(['input.customer', 'input.size'])
  expect(faults({ customer: '', size: 'xl', amount: 'many' })).toEqual(['input.customer', 'input.amount', 'input.size'])
  expect(faults({ customer: 'Ada', size: 'l', amount: 0 })).toEqual([])
  expect(form && toInput(form, { customer: 'Ada' })).toEqual({ customer: 'Ada', gift: false })
})
