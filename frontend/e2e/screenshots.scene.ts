import { mkdirSync } from 'node:fs'

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, test } from 'vitest'

import { api, enter, launch, visit } from './forge'
import { node } from './mouse'
import { releaseCheck } from './releaseCheck'

// Takes the pictures of the README from a running server: `npm run screenshots` with the variables of forge.ts.

const folder = 'screenshots'

let browser: Browser
beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  browser = await launch()
})
afterAll(() => browser?.close())

test.each(['light', 'dark'] as const)('the canvas and a run, %s', async (colorScheme) => {
  const { page } = await visit(browser, { colorScheme, viewport: { width: 1440, height: 900 } })
  await enter(page)
  const call = await api(page)
  const workflow = await call<{ id: string }>('POST', '/workflows', releaseCheck)

  await page.goto(`/workflows/${workflow.id}`)
  await node(page, 'build').click()
  await page.locator('.cm-content').first().waitFor()
  await page.getByRole('button', { name: 'Fit View' }).click()
  await page.getByRole('button', { name: 'No problems' }).waitFor()
  await settled(page)
  await page.screenshot({ path: `${folder}/canvas-${colorScheme}.png` })

  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page
    .getByRole('dialog')
    .getByLabel(/Version/)
    .fill('2.4.0')
  await page.getByRole('dialog').getByRole('button', { name: 'Run', exact: true }).click()
  await page.waitForURL(/\/runs\/run_/)
  await page.locator('[data-testid="run-status"] [data-state="completed"]').waitFor({ timeout: 60_000 })
  await page.locator('[data-step="build"]').click()
  await page.getByRole('tab', { name: /^Log/ }).click()
  await page.locator('.log-line').first().waitFor()
  await settled(page)
  await page.screenshot({ path: `${folder}/run-${colorScheme}.png` })
  await call('POST', `/workflows/${workflow.id}/publish`, { version: 1 })
})

/** Orders, as a shop would send them: one comes twice, one is too small, and one has no number. */
const orders = [
  { id: 1041, total: 89 },
  { id: 1042, total: 24 },
  { id: 1042, total: 24 },
  { total: 12 },
  { id: 1043, total: 3 },
]

const shop = {
  name: 'Orders of the shop',
  graph: {
    nodes: [
      {
        id: 'order',
        type: 'trigger.webhook',
        name: 'An order comes',
        params: { dedupe: 'body.id', filter: 'trigger.body.total >= 10' },
      },
      { id: 'keep', type: 'set', name: 'Keep it', params: { value: '{{ trigger.body }}' } },
    ],
    edges: [{ source: 'order', target: 'keep' }],
  },
}

test.each(['light', 'dark'] as const)('a webhook and what came to it, %s', async (colorScheme) => {
  const { page } = await visit(browser, { colorScheme, viewport: { width: 1440, height: 900 } })
  await enter(page)
  const call = await api(page)
  const workflow = await call<{ id: string }>('POST', '/workflows', shop)
  await call('POST', `/workflows/${workflow.id}/publish`, { version: 1 })
  const triggers = await call<{ items: { id: string; url: string }[] }>('GET', `/triggers?workflow_id=${workflow.id}`)
  const [trigger] = triggers.items
  if (!trigger) throw new Error('The webhook has no row.')
  for (const order of orders) await page.request.post(trigger.url, { data: order })

  await page.goto(`/triggers/${trigger.id}`)
  await page.locator('[data-delivery] [data-state="started"]').nth(1).waitFor()
  await page.locator('[data-delivery] [data-state="filtered"]').waitFor()
  await settled(page)
  await page.screenshot({ path: `${folder}/trigger-${colorScheme}.png` })
})

/** Fonts are loaded and nothing moves any more: two frames with the same picture of the page's boxes. */
const settled = (page: Page): Promise<unknown> =>
  page.evaluate(async () => {
    await document.fonts.ready
    const boxes = () =>
      [...document.querySelectorAll('.card, .log-line')]
        .map((card) => Object.values(card.getBoundingClientRect().toJSON()))
        .join()
    const frame = () => new Promise((resolve) => setTimeout(resolve, 150))
    for (let before = ''; before !== boxes(); await frame()) before = boxes()
  })
