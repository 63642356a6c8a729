import { withQuery, type Query } from '../util/paths'

import { authedFetch } from './session'
import type { Problem } from './types'

/** What the server said instead of doing it (RFC 9457). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly problems: Problem[] = [],
  ) {
    super(message)
  }
}

/** `anonymous` requests are those that make a session: a 401 to them is the answer, not a reason to refresh. */
type Options = {
  anonymous?: boolean
  query?: Query
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}
type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export async function request<T>(method: Method, path: string, options: Options = {}): Promise<T> {
  const { query = {}, body, headers = {}, signal, anonymous = false } = options
  const url = new URL(withQuery(path, query), location.origin)
  const init: RequestInit = { method, headers: { ...headers }, signal }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers = { ...headers, 'Content-Type': 'application/json' }
  }
  const answer = await reach(new Request(url, init), anonymous ? fetch : authedFetch)
  if (!answer.ok) throw await toError(answer)
  return (answer.status === 204 ? undefined : await answer.json()) as T
}

async function reach(wanted: Request, send: (request: Request) => Promise<Response>): Promise<Response> {
  try {
    return await send(wanted)
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw new ApiError(0, 'unreachable', 'The server cannot be reached. Check that it is running, then try again.')
  }
}

async function toError(answer: Response): Promise<ApiError> {
  type Body = { title?: string; detail?: string; code?: string; problems?: Problem[] }
  const body = (await answer.json().catch(() => ({}))) as Body
  const message = body.detail ?? body.title ?? `The server answered ${answer.status}.`
  return new ApiError(answer.status, body.code ?? '', message, body.problems)
}

/** One sentence for a person, whatever was thrown. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.charAt(0).toUpperCase() + text.slice(1)
}
