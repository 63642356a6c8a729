import createClient from 'openapi-fetch'

import { authedFetch } from './session'
import type { paths } from './schema'
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

const baseUrl = location.origin

export const server = createClient<paths>({ baseUrl, fetch: authedFetch })

/** For the requests that make a session: a 401 to them is the answer, not a reason to refresh. */
export const visitor = createClient<paths>({ baseUrl, fetch: (request) => fetch(request) })

type Call = Promise<{ data?: unknown; error?: unknown; response: Response }>

/**
 * The answer to a call, or an `ApiError`. `T` is the generated type refined in `types.ts`: which of the strings
 * a status may be is said there and not in the OpenAPI document.
 */
export async function read<T>(call: Call): Promise<T> {
  const { data, error, response } = await call.catch(unreachable)
  if (!response.ok) throw toError(response.status, error)
  return data as T
}

/** A body as it is, without being read as anything. */
export async function readBody(path: string): Promise<string> {
  const response = await authedFetch(new Request(new URL(path, baseUrl))).catch(unreachable)
  if (!response.ok) throw toError(response.status, await response.json().catch(() => null))
  return response.text()
}

function unreachable(cause: unknown): never {
  if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
  throw new ApiError(0, 'unreachable', 'The server cannot be reached. Check that it is running, then try again.')
}

function toError(status: number, body: unknown): ApiError {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Partial<ApiProblem>
  const message = said.detail ?? said.title ?? `The server answered ${status}.`
  return new ApiError(status, said.code ?? '', message, said.problems)
}

type ApiProblem = { title: string; detail: string; code: string; problems: Problem[] }

/** One sentence for a person, whatever was thrown. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.charAt(0).toUpperCase() + text.slice(1)
}
