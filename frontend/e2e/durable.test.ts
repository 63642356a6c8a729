import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { api, enter, launch, scene, visit, type Call } from './forge'
import { connect, dropStep, middleOf, drag, node } from './mouse'

// What makes a run last: items, people, signals, pauses, and being made again.

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

type Made = { id: string }
type Step = { id: string; type: string; name?: string; params?: object }

/** Steps one behind the other; an edge may name its port, as in "ask.approved>done". */
function graphOf(steps: Step[], ...edges: string[]) {
  const nodes = steps.map((step, at) => ({ params: {}, ...step, position: { x: at * 300, y: 0 } }))
  const split = (edge: string) => {
    const [from = '', target = ''] = edge.split('>')
    const [source = '', port] = from.split('.')
    return port ? { source, port, target } : { source, target }
  }
  return { nodes, edges: edges.map(split) }
}

const start: Step = { id: 'start', type: 'trigger.manual', name: 'Start' }

let made = 0
const make = (call: Call, graph: object) =>
  call<Made>('POST', '/workflows', { name: `Durable ${Date.now()} ${(made += 1)}`, graph })

async function run(call: Call, graph: object, input: unknown = {}): Promise<{ workflow: string; run: string }> {
  const workflow = await make(call, graph)
  const { id } = await call<Made>('POST', `/workflows/${workflow.id}/runs`, { input })
  return { workflow: workflow.id, run: id }
}

const status = (page: Page, state: string) =>
  page.locator(`[data-testid="run-status"] [data-state="${state}"]`).waitFor({ timeout: 30_000 })
const why = (page: Page, text: string | RegExp) => page.getByTestId('why').getByText(text).waitFor()

test('what is done for each item is drawn inside its step, saved, run, and found run by run', async () => {
  const { page, complaints } = await visit(browser)
  await scene(page, 'map', async () => {
    await enter(page)
    const workflow = await make(await api(page), graphOf([start]))
    await page.goto(`/workflows/${workflow.id}`)
    await dropStep(page, 'map', { x: 0.6, y: 0.4 })
    await page.getByLabel(/^Items/).fill('{{ trigger.names }}')
    await page.locator('.body-open').click()
    const trail = page.getByRole('navigation', { name: 'Where you are' })
    await trail.waitFor()
    expect(await page.locator('.palette-item[data-type="trigger.manual"]').count()).toBe(0)

    await dropStep(page, 'transform', { x: 0.3, y: 0.5 })
    await page.getByLabel('Code', { exact: true }).fill("return 'Hello ' + item")
    await page.getByLabel('Name', { exact: true }).fill('Greet')
    await page.getByRole('button', { name: 'Close settings' }).click()
    await trail.getByRole('button').click()
    await node(page, 'map').getByText('1 step inside').waitFor()
    await page.getByRole('button', { name: /^Undo rename/ }).click()
    await node(page, 'transform').getByText('Transform', { exact: true }).waitFor()
    await page.getByRole('button', { name: /^Redo rename/ }).click()
    await page.keyboard.press('Control+ArrowUp')
    await connect(page, 'start', 'map')
    await page.getByRole('button', { name: 'No problems' }).waitFor()

    await page.getByRole('button', { name: 'Run', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Input').fill('{"names": ["Ada", "Grace", "Edsger"]}')
    await dialog.getByRole('button', { name: 'Save and run' }).click()
    await page.waitForURL(/\/runs\/run_/)
    await status(page, 'completed')
    await page.locator('[data-step="map"]').click()
    await page.getByText('Hello Edsger').waitFor()
    await page.getByRole('tab', { name: 'Items' }).click()
    await page.locator('.items-counts').getByText('Completed').waitFor()
    await page.getByRole('link', { name: '1', exact: true }).click()
    await page.getByRole('heading', { name: 'Item 1' }).waitFor()
    await node(page, 'transform').getByText('Greet').waitFor()
    await page.locator('[data-step="transform"]').click()
    await page.getByText('Hello Grace').waitFor()
    await page.getByRole('link', { name: 'For each item' }).click()
    await page.locator('.items-counts').waitFor()
    expect(complaints).toEqual([])
  })
})

test('a problem inside a step is shown at it from outside, and leads inside to its field', async () => {
  const { page } = await visit(browser)
  await scene(page, 'nested-problem', async () => {
    await enter(page)
    const body = graphOf([{ id: 'inner', type: 'http.request', name: 'Fetch' }])
    const each = { id: 'each', type: 'map', params: { items: [1], body } }
    // What cannot run cannot be saved as the first version either, so it is broken here.
    body.nodes[0]!.params = { url: 'https://example.com' }
    const workflow = await make(await api(page), graphOf([start, each], 'start>each'))
    await page.goto(`/workflows/${workflow.id}`)
    await node(page, 'each').dblclick()
    await node(page, 'inner').click()
    await page.getByLabel(/^URL/).fill('')
    await page.getByRole('button', { name: '1 problems' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('navigation', { name: 'Where you are' }).getByRole('button').click()
    await page.locator('[data-testid="node-each"] .card-problems').waitFor()
    await page.getByRole('button', { name: '1 problems' }).click()
    await page.locator('.problems button').first().click()
    await page.waitForFunction(() => document.activeElement?.id === 'field-params.url')
    await page.getByRole('navigation', { name: 'Where you are' }).waitFor()
  })
})

test('connections follow an exit that is renamed, go with one that is removed, and come back', async () => {
  const { page } = await visit(browser)
  await scene(page, 'switch', async () => {
    await enter(page)
    const choose = {
      id: 'choose',
      type: 'switch',
      params: { value: '{{ trigger.size }}', cases: [{ equals: 'big', port: 'big' }] },
    }
    const graph = graphOf(
      [start, choose, { id: 'end', type: 'set', params: { value: 1 } }],
      'start>choose',
      'choose.big>end',
    )
    const workflow = await make(await api(page), graph)
    await page.goto(`/workflows/${workflow.id}`)
    await node(page, 'choose').click()
    const port = page.getByLabel(/^Port/)
    await port.fill('large')
    await port.press('Enter')
    await page.locator('.edge-label', { hasText: /^large$/ }).waitFor()
    await page.getByRole('button', { name: 'No problems' }).waitFor()
    await page.getByRole('button', { name: 'Remove Cases 1' }).click()
    expect(await page.locator('.react-flow__edge').count()).toBe(1)
    await page.getByRole('button', { name: /^Undo .* and a connection/ }).click()
    await page.locator('.react-flow__edge').nth(1).waitFor({ state: 'attached' })

    // A new case has an exit at once, and a connection drawn from it carries its name.
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page
      .getByLabel(/^Equals/)
      .nth(1)
      .fill('small')
    await port.nth(1).fill('small')
    await port.nth(1).press('Enter')
    await page.locator('.port-name', { hasText: /^small$/ }).waitFor()
    await page.getByRole('button', { name: 'Close settings' }).click()
    const exit = node(page, 'choose').getByRole('button', { name: 'small of choose' })
    await drag(page, await middleOf(exit), await middleOf(node(page, 'end')))
    await page.locator('.edge-label:not(.port-name)', { hasText: /^small$/ }).waitFor()
  })
})

const asks = graphOf(
  [
    start,
    {
      id: 'ask',
      type: 'approval',
      name: 'Ask',
      params: { title: 'Ship {{ trigger.what }}?', details: { what: '{{ trigger.what }}' } },
    },
    { id: 'yes', type: 'set', params: { value: 'shipped' } },
  ],
  'start>ask',
  'ask.approved>yes',
)

test('a run that waits for a person says so, and goes on when it is approved on its page', async () => {
  const { page } = await visit(browser)
  await scene(page, 'approve', async () => {
    await enter(page)
    const { run: id } = await run(await api(page), asks, { what: 'it' })
    await page.goto(`/runs/${id}`)
    await why(page, /Ask waits for an approval/)
    await page.getByRole('link', { name: /^Approvals, \d+\+? waiting/ }).waitFor()
    await page.getByRole('button', { name: 'Decide' }).click()
    const card = page.getByRole('article', { name: 'Ship it?' })
    await card.getByLabel('Comment').fill('Looks good')
    await card.getByRole('button', { name: 'Approve' }).click()
    await status(page, 'completed')
    await page.locator('[data-testid="node-yes"][data-state="completed"]').waitFor()
    await page.getByText('Looks good').waitFor()
  })
})

test('an approval is rejected from the list; one that somebody else decided first says so kindly', async () => {
  const { page } = await visit(browser)
  await scene(page, 'approvals', async () => {
    await enter(page)
    const call = await api(page)
    const mine = `mine ${Date.now()}`
    const theirs = `theirs ${Date.now()}`
    const first = await run(call, asks, { what: mine })
    const second = await run(call, asks, { what: theirs })
    await page.goto('/approvals')
    const card = (what: string) => page.getByRole('article', { name: `Ship ${what}?` })
    await card(mine).getByRole('button', { name: 'Reject' }).click()
    await page.getByText(`Rejected: Ship ${mine}?. The run goes on.`).waitFor()

    await card(theirs).waitFor()
    // Nobody tells this page: it finds out by deciding.
    await page.route('**/api/v1/approvals*', (route) => route.abort())
    const { items } = await call<{ items: { run_id: string; digest: string }[] }>('GET', '/approvals?status=waiting')
    const digest = items.find((one) => one.run_id === second.run)?.digest
    await call('POST', `/runs/${second.run}/approvals/ask`, { decision: 'approved', digest })
    await card(theirs).getByRole('button', { name: 'Reject' }).click()
    await page.getByText('Somebody decided before you.').waitFor()
    await page.unroute('**/api/v1/approvals*')
    await page.goto(`/runs/${first.run}`)
    await status(page, 'completed')
    await page.locator('[data-testid="node-yes"][data-state="skipped"]').waitFor()
  })
})

const listens = graphOf(
  [
    start,
    { id: 'wait', type: 'wait.signal', name: 'Listen', params: { name: 'go' } },
    { id: 'after', type: 'set', params: { value: '{{ steps.wait.output }}' } },
  ],
  'start>wait',
  'wait.out>after',
)

test('a run is paused, resumed, and goes on with a signal that is sent from its page', async () => {
  const { page } = await visit(browser)
  await scene(page, 'signal', async () => {
    await enter(page)
    const { run: id } = await run(await api(page), listens)
    await page.goto(`/runs/${id}`)
    await why(page, 'Listen waits for the signal “go”.')
    await page.getByRole('button', { name: 'Pause' }).click()
    await why(page, /^Paused since/)
    await page.getByRole('button', { name: 'Resume' }).click()
    await why(page, 'Listen waits for the signal “go”.')
    await page.getByRole('button', { name: 'Answer' }).click()
    await page.getByLabel('Payload').fill('{"amount": 4711}')
    await page.getByRole('button', { name: 'Send the signal' }).click()
    await status(page, 'completed')
    await page.locator('[data-step="after"]').click()
    await page.getByText('4711').waitFor()
  })
})

const fails = graphOf(
  [
    start,
    { id: 'first', type: 'set', name: 'First', params: { value: 'kept' } },
    {
      id: 'second',
      type: 'transform',
      name: 'Second',
      params: { code: "if (!trigger.good) throw new Error('not good')\nreturn 'good'" },
    },
  ],
  'start>first',
  'first>second',
)

test('a failed run is made again from a step, with its plan shown before, and keeps what was done', async () => {
  const { page } = await visit(browser)
  await scene(page, 'rerun', async () => {
    await enter(page)
    const { run: id } = await run(await api(page), fails, { good: false })
    await page.goto(`/runs/${id}?step=second`)
    await status(page, 'failed')
    await page.getByRole('button', { name: 'Run again from here' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.locator('[data-decision="run_again"] [data-step="second"]').waitFor()
    await dialog.locator('[data-decision="keep"] [data-step="first"]').waitFor()
    await dialog.getByRole('button', { name: 'Run again' }).click()
    await page.waitForURL((url) => url.pathname.startsWith('/runs/') && !url.pathname.endsWith(id))
    await status(page, 'failed')
    await page.locator('[data-testid="node-first"][data-state="kept"]').waitFor()
    await page.getByRole('link', { name: 'repeats an earlier run' }).click()
    await page.waitForURL(new RegExp(id))

    await page.getByRole('button', { name: 'Run again', exact: true }).click()
    await dialog.getByLabel('With another input').click()
    await dialog.getByLabel('Input', { exact: true }).fill('{"good": true}')
    await dialog.locator('.plan:not([aria-busy="true"])').waitFor()
    await dialog.getByRole('button', { name: 'Run again' }).click()
    await page.waitForURL((url) => url.pathname.startsWith('/runs/') && !url.pathname.endsWith(id))
    await status(page, 'completed')
  })
})

test('an owner says how long runs are kept', async () => {
  const { page } = await visit(browser)
  await scene(page, 'retention', async () => {
    await enter(page)
    await page.getByRole('button', { name: 'Account' }).click()
    await page.getByRole('menuitem', { name: 'Workspace settings' }).click()
    await page.getByText('For a time').click()
    await page.getByLabel('Days').fill('365')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved.').waitFor()
    await page.reload()
    expect(await page.getByLabel('Days').inputValue()).toBe('365')
    await page.getByText('For ever').click()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByLabel('Days').waitFor({ state: 'detached' })
  })
})

test('on a phone a decision is made, and none of the pages scrolls sideways', async () => {
  const { page } = await visit(browser, { viewport: { width: 390, height: 844 }, hasTouch: true })
  await scene(page, 'phone-durable', async () => {
    await enter(page)
    const { run: id } = await run(await api(page), asks, { what: 'a long parcel with a long name '.repeat(4) })
    const fits = async () =>
      expect(await page.evaluate(() => document.documentElement.scrollWidth), page.url()).toBeLessThanOrEqual(390)
    await page.goto('/settings')
    await page.getByText('How long runs are kept').first().waitFor()
    await fits()
    await page.goto('/approvals')
    await page.getByRole('article').first().waitFor()
    await fits()
    await page.goto(`/runs/${id}?step=ask`)
    await page.getByRole('article').waitFor()
    await fits()
    await page.getByRole('button', { name: 'Approve', exact: true }).tap()
    await status(page, 'completed')
  })
})
