import { mkdirSync } from 'node:fs'

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { enter, launch, scene, visit } from './forge'

// A person resolves the conflict of a rebase on the page of its run. Beside the variables of forge.ts it needs
//   RUN    the run that waits for an answer
//   SHOTS  a folder for pictures in both themes, wide and narrow; none are taken without it
// and is played by tests/it/rebase.rs.

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

const run = process.env.RUN ?? ''
const shots = process.env.SHOTS

async function open(page: Page): Promise<void> {
  await enter(page)
  await page.goto(`/runs/${run}`)
  await page.getByTestId('why').getByText('waits for an answer to a conflict').waitFor()
  await page.getByTestId('why').getByRole('button', { name: 'Resolve' }).click()
  await page.getByRole('button', { name: /README.md/ }).waitFor()
}

async function picture(page: Page, name: string): Promise<void> {
  if (!shots) return
  mkdirSync(shots, { recursive: true })
  await page.screenshot({ path: `${shots}/${name}.png` })
}

test.each(['light', 'dark'] as const)('a conflict can be seen wide and narrow, %s', async (colorScheme) => {
  for (const width of [1440, 390]) {
    const { page, complaints } = await visit(browser, { colorScheme, viewport: { width, height: 900 } })
    await scene(page, `conflict-${width}`, async () => {
      await open(page)
      await picture(page, `list-${colorScheme}-${width}`)
      await page.getByRole('button', { name: /README.md/ }).click()
      const dialog = page.getByRole('dialog')
      for (const name of ['Before both changes', 'Target branch']) await dialog.getByRole('region', { name }).waitFor()
      await dialog.locator('.cm-content').waitFor()
      await page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished)))
      const wide = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)
      expect(wide, 'nothing sticks out to the right').toBe(true)
      await picture(page, `conflict-${colorScheme}-${width}`)
      expect(complaints).toEqual([])
    })
    await page.context().close()
  }
})

test('an answer that fails a check is refused, and a good one goes on', async () => {
  const { page, complaints } = await visit(browser)
  await scene(page, 'conflict-answer', async () => {
    await open(page)
    await page.getByRole('button', { name: /README.md/ }).click()
    const dialog = page.getByRole('dialog')
    const editor = dialog.locator('.cm-content')
    await editor.click()
    await page.keyboard.press('Control+Home')
    await page.keyboard.type('<<<<<<< mine\n')
    await dialog.getByRole('button', { name: 'Use this text' }).click()
    await dialog.getByText(/is a conflict marker/).waitFor()
    await picture(page, 'refused')
    await dialog.getByRole('button', { name: 'Take the commit’s' }).click()
    await dialog.waitFor({ state: 'detached' })
    const status = page.getByTestId('run-status')
    await status.getByText(/Completed|Failed|Cancelled/).waitFor({ timeout: 120_000 })
    expect(await status.textContent()).toContain('Completed')
    await page.getByRole('tab', { name: /Conflicts/ }).click()
    await page.getByText('1 of 1 resolved').waitFor()
    await picture(page, 'resolved')
    // The refusal is the one thing that a browser complains of.
    expect(complaints.filter((text) => !text.includes('422'))).toEqual([])
  })
})
