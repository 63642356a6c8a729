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
