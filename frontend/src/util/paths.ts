// The only place that writes a URL: the pages' addresses and the server's.

const api = '/api/v1'
const seg = encodeURIComponent

export const pages = {
  setup: '/setup',
  signIn: '/sign-in',
  workflows: '/workflows',
  workflow: (id: string) => `/workflows/${seg(id)}`,
  runs: '/runs',
  run: (id: string) => `/runs/${seg(id)}`,
} as const

export const endpoints = {
  authStatus: `${api}/auth/status`,
  setup: `${api}/auth/setup`,
  login: `${api}/auth/login`,
  refresh: `${api}/auth/refresh`,
  logout: `${api}/auth/logout`,
  profile: `${api}/auth/profile`,
  nodeTypes: `${api}/node-types`,
  workflows: `${api}/workflows`,
  validate: `${api}/workflows/validate`,
  workflow: (id: string) => `${api}/workflows/${seg(id)}`,
  versions: (id: string) => `${api}/workflows/${seg(id)}/versions`,
  version: (id: string, n: number) => `${api}/workflows/${seg(id)}/versions/${n}`,
  publish: (id: string) => `${api}/workflows/${seg(id)}/publish`,
  startRun: (id: string) => `${api}/workflows/${seg(id)}/runs`,
  runs: `${api}/runs`,
  run: (id: string) => `${api}/runs/${seg(id)}`,
  steps: (id: string) => `${api}/runs/${seg(id)}/steps`,
  logs: (id: string) => `${api}/runs/${seg(id)}/logs`,
  events: (id: string) => `${api}/runs/${seg(id)}/events`,
  cancel: (id: string) => `${api}/runs/${seg(id)}/cancel`,
} as const

export type Query = Record<string, string | number | undefined>

/** Appends the given query values; undefined and empty ones are left out. */
export function withQuery(path: string, query: Query): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const search = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)]))
  return pairs.length ? `${path}?${search}` : path
}

/** Only addresses of this site may be returned to after sign-in. */
export function safeNext(next: string | undefined): string {
  return next?.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? next : pages.workflows
}
