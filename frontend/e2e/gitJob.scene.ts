import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { enter, launch, scene, visit } from './forge'
import { node } from './mouse'

// Runs the example "Git job" from the page. Beside the variables of forge.ts it needs those that fill the form:
//   JOB_URL, JOB_BRANCH, JOB_COMMAND, JOB_MESSAGE   the remote, and what is to be done there
//   JOB_SAYS      a line that the command prints
//   JOB_PASSWORD  the remote's password, which no page may show

const need = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: this scene is played by the tests in tests/it/git_job.rs`)
  return value
}

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

test('the example "Git job" is run from the page and completes', async () => {
  const { page, complaints } = await visit(browser)
  await scene(page, 'git-job', async () => {
    await enter(page)
    await page.getByRole('link', { name: 'Git job', exact: true }).click()
    await page.getByRole('button', { name: 'No problems' }).waitFor()
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Repository').fill(need('JOB_URL'))
    await dialog.getByLabel('New branch').fill(need('JOB_BRANCH'))
    await dialog.getByLabel('Command').fill(need('JOB_COMMAND'))
    await dialog.getByLabel('Commit message').fill(need('JOB_MESSAGE'))
    await dialog.getByRole('button', { name: 'Run', exact: true }).click()

    await page.waitForURL(/\/runs\/run_/)
    const status = page.getByTestId('run-status')
    await status.getByText(/Completed|Failed|Cancelled/).waitFor({ timeout: 180_000 })
    expect(await status.textContent(), await page.locator('.run-dock').innerText()).toContain('Completed')
    for (const id of ['start', 'clone', 'branch', 'change', 'good', 'commit', 'push'])
      await page.locator(`[data-testid="node-${id}"][data-state="completed"]`).waitFor()
    for (const id of ['nothing', 'bad'])
      await page.locator(`[data-testid="node-${id}"][data-state="skipped"]`).waitFor()

    await node(page, 'change').click()
    await page.getByRole('tab', { name: /^Log/ }).click()
    await page.getByText(need('JOB_SAYS'), { exact: true }).waitFor()
    for (const id of ['clone', 'push']) {
      await node(page, id).click()
      for (const tab of [/^Input/, /^Output/, /^Log/]) {
        await page.getByRole('tab', { name: tab }).click()
        expect(await page.content()).not.toContain(need('JOB_PASSWORD'))
      }
    }
    expect(complaints).toEqual([])
  })
})
