import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { api, base, enter, launch, scene, visit, type Call } from './forge'
import { connect, dropStep, node } from './mouse'

// What comes from outside: webhooks, schedules, and the secrets that both may need.

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

type Made = { id: string }

const unique = (name: string) => `${name} ${Date.now()} ${Math.floor(Math.random() * 1e6)}`

const graphOf = (trigger: { id: string; type: string; params?: object }) => ({
  nodes: [
    { params: {}, ...trigger, position: { x: 0, y: 0 } },
    { id: 'keep', type: 'set', params: { value: '{{ trigger }}' }, position: { x: 300, y: 0 } },
  ],
  edges: [{ source: trigger.id, target: 'keep' }],
})

async function publish(
  call: Call,
  trigger: Parameters<typeof graphOf>[0],
): Promise<{ workflow: string; name: string }> {
  const name = unique('Triggered')
  const { id } = await call<Made>('POST', '/workflows', { name, graph: graphOf(trigger) })
  await call('POST', `/workflows/${id}/publish`, { version: 1 })
  return { workflow: id, name }
}

const send = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(new URL(new URL(url).pathname, base), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

/** The row of a delivery by what its sender calls it. */
const rowOf = (page: Page, name: string) => page.locator('tr[data-delivery]').filter({ hasText: name })
const drawer = (page: Page) => page.getByRole('dialog')
const badge = (state: string) => `[data-state="${state}"]`

test('a webhook is drawn, published, called, seen with what came, and replayed', async () => {
  const { page, complaints } = await visit(browser)
  await scene(page, 'webhook', async () => {
    await enter(page)
    const call = await api(page)
    const keep = { id: 'keep', type: 'set', params: { value: '{{ trigger }}' }, position: { x: 300, y: 0 } }
    const graph = { nodes: [keep], edges: [] }
    const { id } = await call<Made>('POST', '/workflows', { name: unique('Hooked'), graph })
    await page.goto(`/workflows/${id}`)
    await dropStep(page, 'trigger.webhook', { x: 0.3, y: 0.2 })
    await page.getByText('Save the workflow, and its address stands here.').waitFor()
    await connect(page, 'webhook', 'keep')
    await page.getByRole('button', { name: 'No problems' }).waitFor()
    await page.getByRole('button', { name: 'Publish', exact: true }).click()
    await node(page, 'webhook').click()
    const address = page.getByLabel('Address', { exact: true })
    await address.waitFor()
    const url = (await address.textContent()) ?? ''
    expect(await page.getByLabel('Line for a terminal', { exact: true }).textContent()).toContain(`curl '${url}'`)

    const first = await send(`${url}?shop=berlin`, { total: 4711 }, { 'Webhook-Id': 'evt_1' })
    expect(first.status).toBe(202)
    expect((await send(url, { total: 4711 }, { 'Webhook-Id': 'evt_1' })).status).toBe(202)
    expect((await send(url, { total: 4712 }, { 'Webhook-Id': 'evt_1' })).status).toBe(409)

    await page.getByRole('link', { name: 'Show its deliveries' }).click()
    await page.waitForURL(/\/triggers\/trg_/)
    await rowOf(page, 'evt_1').locator(badge('started')).waitFor()
    await page.getByText('came before with another body').waitFor()
    await rowOf(page, 'evt_1')
      .filter({ has: page.locator(badge('duplicate')) })
      .click()
    await drawer(page).getByText('Duplicate of').waitFor()
    await drawer(page).getByRole('button', { name: /^dlv_/ }).click()
    await drawer(page).getByText('4711').waitFor()
    await drawer(page).getByText('webhook-id').waitFor()

    await drawer(page).getByRole('button', { name: 'Replay' }).click()
    await drawer(page).getByText('Replay of').waitFor()
    await drawer(page).locator(badge('started')).waitFor()
    await drawer(page).getByRole('link', { name: /^run_/ }).click()
    await page.locator('[data-testid="run-status"] [data-state="completed"]').waitFor()
    const back = page.getByRole('link', { name: 'webhook', exact: true })
    await back.click()
    await drawer(page).getByText('Replay of').waitFor()
    // The list of runs leads there as well.
    await page.goto(`/runs?workflow_id=${id}`)
    await back.first().click()
    await drawer(page).getByText('Replay of').waitFor()
    await drawer(page).getByRole('button', { name: 'Close' }).click()
    await page.getByLabel('Status', { exact: true }).first().click()
    await page.getByRole('option', { name: 'Refused' }).click()
    await page.waitForURL(/status=refused/)
    await page
      .locator(`tr[data-delivery] ${badge('started')}`)
      .first()
      .waitFor({ state: 'detached' })
    expect(await page.locator('tr[data-delivery]').count()).toBe(1)
    expect(complaints).toEqual([])
  })
})

test('a paused trigger holds back what comes, and resuming decides about it; a new address takes the old one away', async () => {
  const { page } = await visit(browser)
  await scene(page, 'pause', async () => {
    await enter(page)
    const call = await api(page)
    const { workflow, name } = await publish(call, { id: 'hook', type: 'trigger.webhook' })
    await page.goto(`/triggers?workflow_id=${workflow}`)
    const row = page.locator('.table tbody tr').filter({ hasText: name })
    await row.locator(badge('active')).waitFor()
    await row.getByRole('button', { name: /^More for/ }).click()
    await page.getByRole('menuitem', { name: 'Pause' }).click()
    await row.locator(badge('paused')).waitFor()
    await row.getByRole('link', { name }).click()

    const url = (await page.getByLabel('Address', { exact: true }).textContent()) ?? ''
    await send(url, {}, { 'Webhook-Id': 'held_1' })
    await send(url, {}, { 'Webhook-Id': 'held_2' })
    await rowOf(page, 'held_1').locator(badge('held')).waitFor()
    await rowOf(page, 'held_1').click()
    await drawer(page).getByText('The trigger is paused.').waitFor()
    await drawer(page).getByRole('button', { name: 'Release' }).click()
    await drawer(page).locator(badge('started')).waitFor()
    await drawer(page).getByRole('button', { name: 'Close' }).click()

    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByText('1 delivery came while it was paused').waitFor()
    await page.getByLabel('Drop them').click()
    await drawer(page).getByRole('button', { name: 'Resume' }).click()
    await rowOf(page, 'held_2').locator(badge('skipped')).waitFor()
    await page.getByRole('button', { name: 'Pause' }).waitFor()

    await page.getByRole('button', { name: 'New address' }).click()
    await drawer(page).getByRole('button', { name: 'New address' }).click()
    await page.getByText('has a new address').waitFor()
    await page.waitForFunction((old) => !document.body.textContent?.includes(old), url)
    expect((await send(url, {})).status).toBe(404)

    await page.getByRole('link', { name: 'Edit' }).click()
    await page.getByRole('complementary', { name: 'Settings of hook' }).waitFor()
  })
})

test('a schedule is previewed while it is written, says its faults at their fields, and is filled back', async () => {
  const { page } = await visit(browser)
  await scene(page, 'schedule', async () => {
    await enter(page)
    const call = await api(page)
    const { id } = await call<Made>('POST', '/workflows', {
      name: unique('Scheduled'),
      graph: graphOf({ id: 'tick', type: 'trigger.schedule', params: { cron: '0 9 * * *' } }),
    })
    await page.goto(`/workflows/${id}?step=tick`)
    const cron = page.locator('[id="field-params.cron"]')
    const zone = page.locator('[id="field-params.timezone"]')
    const next = page.getByRole('list', { name: 'Next fires' })
    await next
      .getByText(/, 09:00$/)
      .first()
      .waitFor()
    await zone.fill('Europe/Ber')
    await page.getByText(/is no time zone/).waitFor()
    await page.getByRole('option', { name: 'Europe/Berlin' }).click()
    await page.getByText('At 09:00 (Europe/Berlin)', { exact: false }).waitFor()
    await cron.fill('0 0 30 2 *')
    await page
      .getByText(/no such date exists/)
      .first()
      .waitFor()
    await cron.fill('*/10 * * * * *')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'No problems' }).waitFor()
    await page.getByRole('button', { name: 'Publish', exact: true }).click()

    await page.getByRole('link', { name: 'Show its fires' }).click()
    await page.getByRole('heading', { name: 'Fires', exact: true }).waitFor()
    await page
      .locator(`tr[data-delivery] ${badge('started')}`)
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'Backfill' }).click()
    const range = await page.evaluate(() => {
      const two = (n: number) => String(n).padStart(2, '0')
      const field = (at: Date) =>
        `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`
      return [3_720_000, 3_660_000].map((ago) => field(new Date(Date.now() - ago)))
    })
    await drawer(page)
      .getByLabel('From')
      .fill(range[1] ?? '')
    await drawer(page)
      .getByLabel('To')
      .fill(range[0] ?? '')
    await drawer(page).getByRole('button', { name: 'Backfill' }).click()
    await drawer(page).getByText('It must end after it begins.').waitFor()
    await drawer(page)
      .getByLabel('From')
      .fill(range[0] ?? '')
    await drawer(page)
      .getByLabel('To')
      .fill(range[1] ?? '')
    const fill = async () => {
      await drawer(page).getByRole('button', { name: 'Backfill' }).click()
      await drawer(page).locator('dd').first().waitFor()
    }
    await fill()
    // Every ten seconds of a minute, both ends included.
    expect(await drawer(page).locator('dd').allTextContents()).toEqual(['7', '7', '0'])
    await fill()
    await page.waitForFunction(() => document.querySelectorAll('[role=dialog] dd')[2]?.textContent === '7')
    await drawer(page).getByRole('button', { name: 'Close' }).last().click()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    const run = page.locator('tr[data-delivery]').getByRole('link', { name: 'Run' }).first()
    await run.click()
    await page.getByRole('link', { name: 'schedule tick', exact: true }).waitFor()
  })
})

test('a secret is added, used by a step, bound to other hosts, and deleted with a warning', async () => {
  const { page, complaints } = await visit(browser)
  await scene(page, 'secret', async () => {
    await enter(page)
    const call = await api(page)
    const name = `E2E_${Date.now()}`
    await page.getByRole('link', { name: 'Secrets' }).click()
    await page.getByRole('button', { name: 'Add a secret' }).click()
    await drawer(page).getByLabel('Name').fill(name)
    await drawer(page).getByLabel('Value').first().fill('short')
    await drawer(page).getByRole('button', { name: 'Add' }).click()
    await drawer(page).getByText('At least 8 characters').waitFor()
    await drawer(page).getByLabel('Value').first().fill('not to be seen anywhere')
    await drawer(page).getByLabel('Hosts').first().fill('api.example.org')
    await drawer(page).getByLabel('Hosts').first().press('Enter')
    await drawer(page).getByRole('button', { name: 'Add' }).click()
    const row = page.locator(`tr[data-secret="${name}"]`)
    await row.getByText('api.example.org').waitFor()
    await row.getByText('no workflow').waitFor()

    const workflow = unique('Uses it')
    const { id } = await call<Made>('POST', '/workflows', {
      name: workflow,
      graph: {
        nodes: [
          { id: 'start', type: 'trigger.manual', position: { x: 0, y: 0 }, params: {} },
          {
            id: 'clone',
            type: 'git.clone',
            position: { x: 300, y: 0 },
            params: { url: 'https://api.example.org/a.git' },
          },
        ],
        edges: [{ source: 'start', target: 'clone' }],
      },
    })
    await page.goto(`/workflows/${id}?step=clone`)
    await page.getByRole('button', { name: /^Use a secret for/ }).click()
    await page.getByRole('menuitem', { name }).click()
    await node(page, 'clone').waitFor()
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('Saved', { exact: true }).waitFor()
    const saved = await call<{ graph: { nodes: { params: unknown }[] } }>('GET', `/workflows/${id}/versions/2`)
    expect(JSON.stringify(saved.graph.nodes)).toContain(`{{ secrets.${name} }}`)

    await page.goto('/secrets')
    await row.getByRole('link', { name: workflow }).waitFor()
    const choose = async (what: RegExp) => {
      await row.getByRole('button', { name: `More for ${name}` }).click()
      await page.getByRole('menuitem', { name: what }).click()
    }
    await choose(/hosts/)
    await drawer(page).getByLabel('Hosts').first().fill('other.example.org')
    await drawer(page).getByLabel('Hosts').first().press('Enter')
    await drawer(page).getByText('give it once more').waitFor()
    await drawer(page).getByLabel('Value').first().fill('another that is not to be seen')
    await drawer(page).getByRole('button', { name: 'Save' }).click()
    await row.getByText('other.example.org').waitFor()
    expect(await page.content()).not.toContain('not to be seen')

    await choose(/Delete/)
    await drawer(page).getByText(workflow).waitFor()
    await drawer(page).getByRole('button', { name: 'Delete' }).click()
    await row.waitFor({ state: 'detached' })
    expect(complaints).toEqual([])
  })
})

test('on a phone none of these pages scrolls sideways', async () => {
  const { page } = await visit(browser, { viewport: { width: 390, height: 844 }, hasTouch: true })
  await scene(page, 'phone-triggers', async () => {
    await enter(page)
    const call = await api(page)
    const hook = await publish(call, { id: 'a_hook_with_a_long_id', type: 'trigger.webhook' })
    const tick = await publish(call, { id: 'tick', type: 'trigger.schedule', params: { cron: '0 9 * * *' } })
    const fits = async () =>
      expect(await page.evaluate(() => document.documentElement.scrollWidth), page.url()).toBeLessThanOrEqual(390)
    for (const { workflow } of [hook, tick]) {
      await page.goto(`/triggers?workflow_id=${workflow}`)
      await page.locator('.table').waitFor()
      await fits()
      await page.locator('.table tbody tr').first().tap()
      await page.getByRole('button', { name: 'Pause' }).waitFor()
      await fits()
    }
    await page.goto('/secrets')
    await page.getByRole('button', { name: 'Add a secret' }).tap()
    await page.getByRole('dialog').getByLabel('Name').waitFor()
    await fits()
  })
})
