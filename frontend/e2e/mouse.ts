import type { Locator, Page } from 'playwright-core'

type Point = { x: number; y: number }

export async function middleOf(target: Locator): Promise<Point> {
  const box = await target.boundingBox()
  if (!box) throw new Error(`Not on screen: ${target}`)
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
}

/** Presses, moves in steps as a hand does, and lets go. */
export async function drag(page: Page, from: Point, to: Point): Promise<void> {
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 5 })
  await page.mouse.move(to.x, to.y, { steps: 5 })
  await page.mouse.up()
}

export const node = (page: Page, id: string): Locator => page.getByTestId(`node-${id}`)

/** Drags from one step's exit to another step's entry. */
export async function connect(page: Page, from: string, to: string): Promise<void> {
  const exit = node(page, from).locator('.react-flow__handle-right').first()
  const entry = node(page, to).locator('.react-flow__handle-left')
  const before = await page.locator('.react-flow__edge').count()
  await drag(page, await middleOf(exit), await middleOf(entry))
  await page.locator('.react-flow__edge').nth(before).waitFor({ state: 'attached' })
}

/** Drags a kind of step from the palette to a place on the canvas, given as a share of its width and height. */
export async function dropStep(page: Page, type: string, at: Point): Promise<void> {
  const canvas = await page.locator('.editor-canvas').boundingBox()
  if (!canvas) throw new Error('There is no canvas.')
  const before = await page.locator('.react-flow__node').count()
  const target = { x: canvas.x + canvas.width * at.x, y: canvas.y + canvas.height * at.y }
  await drag(page, await middleOf(page.locator(`.palette-item[data-type="${type}"]`)), target)
  await page.locator('.react-flow__node').nth(before).waitFor()
}
