import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { api, enter, launch, scene, visit } from './forge'
import { node } from './mouse'

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

type Made = { id: string }

const waits = {
  nodes: [
    { id: 'start', type: 'trigger.manual', position: { x: 0, y: 0 }, params: {} },
    { id: 'pause', type: 'delay', name: 'Wait long', position: { x: 300, y: 0 }, params: { seconds: 600 } },
    { id: 'after', type: 'set', position: { x: 600, y: 0 }, params: { value: 1 } },
  ],
  edges: [
    { source: 'start', target: 'pause' },
    { source: 'pause', target: 'after' },
  ],
}

const make = async (page: Page) =>
  (await api(page))<Made>('POST', '/workflows', { name: `Waits ${Date.now()}`, graph: waits })

test('a run that waits is watched live and cancelled from its page', async () => {
  const { page } = await visit(browser)
  await scene(page, 'cancel', async () => {
    await enter(page)
    const workflow = await make(page)
    await page.goto(`/workflows/${workflow.id}`)
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Run', exact: true }).click()
    await page.waitForURL(/\/runs\/run_/)
    await page.locator('[data-testid="node-pause"][data-state="waiting"]').waitFor()
    await page.locator('[data-testid="run-status"] [data-state="waiting"]').waitFor()
    await page.locator('[data-testid="node-after"][data-state="pending"]').waitFor()
    await page.getByRole('button', { name: 'Cancel', exact: true }).click()
    await page.locator('[data-testid="run-status"] [data-state="cancelled"]').waitFor()
    await page.getByRole('button', { name: 'Run again' }).waitFor()
  })
})

const speaks = {
  nodes: [
    { id: 'start', type: 'trigger.manual', position: { x: 0, y: 0 }, params: {} },
    {
      id: 'talk',
      type: 'command',
      position: { x: 300, y: 0 },
      params: { run: 'for i in $(seq 1 60); do echo "line $i"; sleep 0.1; done' },
    },
  ],
  edges: [{ source: 'start', target: 'talk' }],
}

test('log lines are there while they are written, and a lost connection loses and doubles none', async () => {
  const { page } = await visit(browser)
  await scene(page, 'log', async () => {
    await enter(page)
    const call = await api(page)
    const { id } = await call<Made>('POST', '/workflows', { name: `Speaks ${Date.now()}`, graph: speaks })
    // The first streams are cut after a few frames, as a bad line would.
    let cuts = 0
    await page.route('**/events', async (route) => {
      if (cuts >= 2) return route.continue()
      cuts += 1
      const answer = await route.fetch({ timeout: 0 }).catch(() => null)
      const frames = (await answer?.text())?.split('\n\n') ?? []
      await route.fulfill({
        status: 200,
        contentType: 'text/event-stream',
        body: frames.slice(0, 5).join('\n\n') + '\n\nid: 9',
      })
    })
    const run = await call<Made>('POST', `/workflows/${id}/runs`, { input: {} })
    await page.goto(`/runs/${run.id}?step=talk&tab=log`)
    await page.locator('[data-testid="run-status"] [data-state="completed"]').waitFor({ timeout: 30_000 })
    await page.getByRole('tab', { name: 'Log 60' }).waitFor()
    expect(cuts).toBe(2)
  })
})

test('a log line is on screen before its step has ended', async () => {
  const { page } = await visit(browser)
  await scene(page, 'live', async () => {
    await enter(page)
    const call = await api(page)
    const { id } = await call<Made>('POST', '/workflows', { name: `Speaks ${Date.now()}`, graph: speaks })
    const run = await call<Made>('POST', `/workflows/${id}/runs`, { input: {} })
    await page.goto(`/runs/${run.id}?step=talk&tab=log`)
    await page.locator('.log-text').first().waitFor()
    expect(await page.locator('[data-testid="run-status"] [data-state="running"]').count()).toBe(1)
    await page.getByText('line 60', { exact: true }).waitFor()
    const lines = await page.locator('.log-text').allTextContents()
    const numbers = lines.map((line) => Number(line.replace('line ', '')))
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
  })
})

test('of two tabs the later save is refused, and nothing is overwritten', async () => {
  const { page } = await visit(browser)
  await scene(page, 'conflict', async () => {
    await enter(page)
    const workflow = await make(page)
    await page.goto(`/workflows/${workflow.id}`)
    await node(page, 'pause').click()
    await page.getByLabel('Name', { exact: true }).fill('Mine')
    // Meanwhile somebody else saves.
    const theirs = {
      ...waits,
      nodes: waits.nodes.map((one) => (one.id === 'after' ? { ...one, name: 'Theirs' } : one)),
    }
    await (
      await api(page)
    )('POST', `/workflows/${workflow.id}/versions`, { graph: theirs, base_version: 1 })
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Somebody saved before you').waitFor()
    await dialog.getByRole('button', { name: 'Take version 2' }).click()
    await node(page, 'after').getByText('Theirs').waitFor()
    await page.getByRole('button', { name: /^Redo/ }).click()
    await node(page, 'pause').getByText('Mine').waitFor()
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('v3', { exact: true }).waitFor()
  })
})

test('the chosen theme is there before the first paint of the next visit', async () => {
  const { page } = await visit(browser, { colorScheme: 'light' })
  await scene(page, 'theme', async () => {
    await enter(page)
    await page.getByRole('button', { name: /^Theme/ }).click()
    await page.getByRole('menuitem', { name: 'Dark' }).click()
    await page.waitForFunction(() => document.documentElement.dataset.mantineColorScheme === 'dark')
    // Without the app's own script only theme.js can have set it.
    await page.route('**/*.js', (route) =>
      route.request().url().endsWith('/theme.js') ? route.continue() : route.abort(),
    )
    await page.route('**/main.tsx', (route) => route.abort())
    await page.goto('/workflows', { waitUntil: 'domcontentloaded' })
    expect(await page.evaluate(() => document.documentElement.dataset.mantineColorScheme)).toBe('dark')
  })
})

test('no page scrolls sideways on a phone, and steps open as sheets', async () => {
  const { page } = await visit(browser, { viewport: { width: 390, height: 844 }, hasTouch: true })
  await scene(page, 'phone', async () => {
    await enter(page)
    const workflow = await make(page)
    const call = await api(page)
    const run = await call<Made>('POST', `/workflows/${workflow.id}/runs`, { input: {} })
    const fits = async () =>
      expect(await page.evaluate(() => document.documentElement.scrollWidth), page.url()).toBeLessThanOrEqual(390)
    await page.goto('/workflows')
    await page.locator('.table').waitFor()
    await fits()
    await page.goto('/runs')
    await page.locator('.table').waitFor()
    await fits()
    await page.goto(`/runs/${run.id}`)
    await page.locator('[data-step="pause"]').tap()
    await page.getByText('Still waiting.').waitFor()
    await fits()
    await page.goto(`/workflows/${workflow.id}`)
    await node(page, 'pause').tap()
    await page.getByRole('complementary', { name: 'Settings of Wait long' }).waitFor()
    await fits()
    await call('POST', `/runs/${run.id}/cancel`)
  })
})
