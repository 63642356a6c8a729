import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'

// What the browser tests stand on: a running server named by the environment, and a real Chromium.
//   FLOWFORGE_URL           where the server listens
//   FLOWFORGE_SETUP_TOKEN   for a server without an account yet: the test makes the first
//   FLOWFORGE_EMAIL and FLOWFORGE_PASSWORD   the account to make or to sign in with; without them
//   FLOWFORGE_ADMIN_EMAIL and FLOWFORGE_ADMIN_PASSWORD, with which the server makes its first account by itself
//   CHROMIUM                the browser's program, /usr/bin/chromium without it

const { env } = process
export const base = env.FLOWFORGE_URL ?? 'http://127.0.0.1:8080'
export const email = env.FLOWFORGE_EMAIL ?? env.FLOWFORGE_ADMIN_EMAIL ?? 'ada@example.com'
export const password = env.FLOWFORGE_PASSWORD ?? env.FLOWFORGE_ADMIN_PASSWORD ?? 'correct horse battery'
export const setupToken = env.FLOWFORGE_SETUP_TOKEN

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: env.CHROMIUM ?? '/usr/bin/chromium', args: flags })

export type Visit = { page: Page; complaints: string[] }

/** A fresh visitor. What the page throws or logs as an error is gathered, so that a test can insist on silence. */
export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ baseURL: base, viewport: { width: 1440, height: 900 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // Being asked to sign in is an answer, not an error.
    const expected = message.text().includes('401')
    if (message.type() === 'error' && !expected) complaints.push(message.text())
  })
  return { page, complaints }
}

/** Ends on the workflow list, whether the server has an account yet or not. */
export async function enter(page: Page): Promise<void> {
  const status = await page.request.get('/api/v1/auth/status')
  const { setup_required: fresh } = (await status.json()) as { setup_required: boolean }
  if (fresh && !setupToken) throw new Error('The server has no account yet: set FLOWFORGE_SETUP_TOKEN.')
  await page.goto(fresh ? `/setup?token=${setupToken}` : '/sign-in')
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: fresh ? 'Create account' : 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Workflows', level: 1 }).waitFor()
}

/** Runs a scene; when it fails, leaves a picture of the page as it was and says where. */
export async function scene(page: Page, name: string, play: () => Promise<void>): Promise<void> {
  try {
    await play()
  } catch (error) {
    const file = join(mkdtempSync(join(tmpdir(), 'flowforge-e2e-')), `${name}.png`)
    await page.screenshot({ path: file }).catch(() => {})
    console.error(`Failed at ${page.url()}; a picture of the page is in ${file}`)
    throw error
  }
}

export type Call = <T>(method: 'GET' | 'POST', path: string, body?: unknown) => Promise<T>

/** The server's API as the test's account, for what a scene needs to stand there before it begins. */
export async function api(page: Page): Promise<Call> {
  const signIn = await page.request.post('/api/v1/auth/login', { data: { email, password } })
  if (!signIn.ok()) throw new Error(`Signing in answered ${signIn.status()}: ${await signIn.text()}`)
  const { access_token: token } = (await signIn.json()) as { access_token: string }
  return async <T>(method: string, path: string, data?: unknown) => {
    const headers = { Authorization: `Bearer ${token}` }
    const answer = await page.request.fetch(`/api/v1${path}`, { method, data, headers })
    if (!answer.ok()) throw new Error(`${method} ${path} answered ${answer.status()}: ${await answer.text()}`)
    return (await answer.json()) as T
  }
}
