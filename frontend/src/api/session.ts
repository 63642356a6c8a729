import { endpoints } from '../util/paths'

import type { Token } from './types'

// The access token lives in this variable and nowhere else; the refresh cookie is out of script's reach.
let token: string | null = null
let refreshing: Promise<boolean> | null = null

export const hasSession = (): boolean => token !== null
export const bearer = (): string | null => token

export function setSession(next: Token | null): void {
  token = next?.access_token ?? null
}

/** Exchanges the refresh cookie for an access token. However many callers ask, one request is made. */
export function refreshSession(): Promise<boolean> {
  refreshing ??= inTurn(exchange).finally(() => {
    refreshing = null
  })
  return refreshing
}

/**
 * A cookie is good for one exchange. Tabs share it, so they take turns where the browser lets them; elsewhere the
 * server forgives two that come together.
 */
const inTurn = async (work: () => Promise<boolean>): Promise<boolean> =>
  'locks' in navigator ? navigator.locks.request('flowforge.refresh', work) : work()

async function exchange(): Promise<boolean> {
  const answer = await fetch(endpoints.refresh, { method: 'POST' }).catch(() => {
    throw new Error('The server cannot be reached. Check that it is running, then try again.')
  })
  if (answer.ok) setSession((await answer.json()) as Token)
  else if (answer.status === 401 || answer.status === 403) setSession(null)
  return answer.ok
}

let lost = (): void => {}

/** Called when the server does not know this visitor any more. */
export const onSessionLost = (callback: () => void): void => void (lost = callback)

/** Sends a request with the bearer token; one that is answered 401 is sent once more after a refresh. */
export async function authedFetch(request: Request): Promise<Response> {
  const spare = request.clone()
  const first = await fetch(signed(request))
  if (first.status !== 401) return first
  if (await refreshSession()) return fetch(signed(spare))
  if (!token) lost()
  return first
}

function signed(request: Request): Request {
  if (token) request.headers.set('Authorization', `Bearer ${token}`)
  return request
}
