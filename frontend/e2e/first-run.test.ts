import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { enter, launch, scene, visit } from './forge'
import { connect, dropStep, middleOf, drag, node } from './mouse'

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

test('a workflow is drawn with the mouse, saved, run, seen to succeed, and still there after a reload', async () => {
  const { page, complaints } = await visit(browser)
  await scene(page, 'first-run', async () => {
    await enter(page)
    await page
      .getByRole('button', { name: /New workflow|Draw the first one/ })
      .first()
      .click()
    await node(page, 'start').waitFor()
    const name = `Drawn by hand ${Date.now()}`
    await page.getByLabel('Workflow name').fill(name)
    await page.getByLabel('Workflow name').press('Enter')

    await dropStep(page, 'set', { x: 0.3, y: 0.75 })
    await page.getByLabel('Value', { exact: true }).fill('{"greeting": "hello", "to": "{{ trigger.name }}"}')
    await page.getByRole('button', { name: 'Close settings' }).click()
    await dropStep(page, 'transform', { x: 0.72, y: 0.75 })
    await page.getByLabel('Code', { exact: true }).fill('return { text: `${input.greeting} ${input.to}`, length: 5 }')
    await page.getByLabel('Name', { exact: true }).fill('Make the text')
    await page.getByRole('button', { name: 'Close settings' }).click()

    await connect(page, 'start', 'set')
    await connect(page, 'set', 'transform')

    // Moving and undoing it again is one step back.
    const place = await middleOf(node(page, 'set'))
    await drag(page, place, { x: place.x, y: place.y - 60 })
    await page.getByRole('button', { name: 'Undo move step' }).click()
    expect(await middleOf(node(page, 'set'))).toEqual(place)

    await page.getByRole('button', { name: 'No problems' }).waitFor()
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByText('Saved', { exact: true }).waitFor()

    await page.getByRole('button', { name: 'Run', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Input').fill('{"name": "Ada"}')
    await dialog.getByRole('button', { name: 'Run', exact: true }).click()

    await page.waitForURL(/\/runs\/run_/)
    await succeeded(page)
    await page.locator('[data-step="transform"]').click()
    await page.getByText('hello Ada').first().waitFor()
    const address = page.url()
    expect(address).toContain('step=transform')

    await page.reload()
    await succeeded(page)
    await page.getByText('hello Ada').first().waitFor()
    expect(page.url()).toBe(address)

    // From the canvas the same step is chosen as from the timeline.
    await node(page, 'set').click()
    await page.locator('[data-step="set"][aria-pressed="true"]').waitFor()

    await page.getByRole('link', { name: 'Workflows' }).first().click()
    await page.getByRole('link', { name, exact: true }).click()
    await node(page, 'transform').waitFor()
    expect(await page.locator('.react-flow__edge').count()).toBe(2)
    expect(complaints).toEqual([])
  })
})

async function succeeded(page: Awaited<ReturnType<typeof visit>>['page']): Promise<void> {
  await page.locator('[data-testid="run-status"] [data-state="completed"]').waitFor({ timeout: 30_000 })
  for (const id of ['start', 'set', 'transform'])
    await page.locator(`[data-testid="node-${id}"][data-state="completed"]`).waitFor()
}

test('an author who is stopped by a problem is led to its field, and unsaved work survives a reload', async () => {
  const { page } = await visit(browser)
  await scene(page, 'problems', async () => {
    await enter(page)
    await page
      .getByRole('button', { name: /New workflow|Draw the first one/ })
      .first()
      .click()
    // A click on a step adds it behind the only other one.
    await page.locator('.palette-item[data-type="http.request"]').click()
    await page.getByRole('button', { name: '1 problems' }).click()
    await page.locator('.problems button').first().click()
    await page.waitForFunction(() => document.activeElement?.id === 'field-params.url')
    await page.keyboard.type('https://example.com')
    await page.getByRole('button', { name: 'No problems' }).waitFor()

    await page.reload()
    await page.getByText(/unsaved changes of .* are back/).waitFor()
    await node(page, 'http_request').waitFor()
    await page.getByRole('button', { name: 'Drop them' }).click()
    await node(page, 'http_request').waitFor({ state: 'detached' })
  })
})

test('a connection let go over nothing asks what follows; over a card it connects', async () => {
  const { page } = await visit(browser)
  await scene(page, 'dangling', async () => {
    await enter(page)
    await page
      .getByRole('button', { name: /New workflow|Draw the first one/ })
      .first()
      .click()
    const exit = node(page, 'start').locator('.react-flow__handle-right')
    const from = await middleOf(exit)
    await drag(page, from, { x: from.x + 200, y: from.y + 160 })
    await page.getByText('Choose what follows Start.').waitFor()
    await page.keyboard.type('transf')
    await page.keyboard.press('Enter')
    await node(page, 'transform').waitFor()
    expect(await page.locator('.react-flow__edge').count()).toBe(1)

    await page.keyboard.press('Escape')
    await dropStep(page, 'set', { x: 0.3, y: 0.85 })
    await drag(page, await middleOf(exit), await middleOf(node(page, 'set')))
    await page.locator('.react-flow__edge').nth(1).waitFor({ state: 'attached' })

    // What is copied is JSON, and comes back wired, with ids of its own.
    await page.locator('.react-flow__pane').click({ position: { x: 600, y: 40 } })
    await page.keyboard.press('Control+a')
    await page.keyboard.press('Control+c')
    await page.keyboard.press('Control+v')
    await node(page, 'transform_2').waitFor()
    expect(await page.locator('.react-flow__edge').count()).toBe(4)
    await page.getByRole('button', { name: 'Undo paste 3 steps' }).click()
    expect(await page.locator('.react-flow__edge').count()).toBe(2)
  })
})
