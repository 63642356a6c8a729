// The only place that writes a URL. Those of the server are typed by its OpenAPI document, see api/client.

const api = '/api/v1'
const seg = encodeURIComponent

export const pages = {
  setup: '/setup',
  signIn: '/sign-in',
  workflows: '/workflows',
  workflow: (id: string) => `/workflows/${seg(id)}`,
  runs: '/runs',
  run: (id: string) => `/runs/${seg(id)}`,
  triggers: '/triggers',
  trigger: (id: string) => `/triggers/${seg(id)}`,
  approvals: '/approvals',
  secrets: '/secrets',
  budgets: '/budgets',
  usage: '/usage',
  settings: '/settings',
} as const

/** The addresses that are not called through the generated client. */
export const endpoints = {
  refresh: `${api}/auth/refresh`,
  events: (id: string) => `${api}/runs/${seg(id)}/events`,
  diff: (id: string, number: number) => `${api}/runs/${seg(id)}/checkpoints/${number}/diff`,
  blob: (id: string, key: string) => `${api}/runs/${seg(id)}/blobs/${seg(key)}`,
} as const

/** Only addresses of this site may be returned to after sign-in. */
export function safeNext(next: string | undefined): string {
  return next?.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? next : pages.workflows
}
