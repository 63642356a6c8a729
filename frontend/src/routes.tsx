import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'

import { queryClient, setupRequired } from './api/queries'
import { hasSession, refreshSession } from './api/session'
import { deliveryQuery } from './api/triggerQueries'
import type { DeliveryStatus, RunStatus, TriggerKind, UsageBy, WorkflowStatus } from './api/types'
import { Frame } from './pages/Frame'
import { Missing } from './pages/Missing'
import { Trouble } from './pages/Trouble'
import { Loading } from './ui/Loading'
import { pages } from './util/paths'

// All routes in one place. What is in the address (filters, the chosen step, the open tab) survives a reload.

const root = createRootRoute({ component: Outlet, notFoundComponent: Missing, errorComponent: Trouble })

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const oneOf = <T extends string>(values: readonly T[], value: unknown): T | undefined =>
  values.find((known) => known === value)

const setup = createRoute({
  getParentRoute: () => root,
  path: pages.setup,
  // A token of digits alone must stay text.
  validateSearch: (search: Record<string, unknown>): { token?: string } => ({
    token: search.token === undefined ? undefined : String(search.token),
  }),
  component: lazyRouteComponent(() => import('./pages/Setup'), 'Setup'),
})

const signIn = createRoute({
  getParentRoute: () => root,
  path: pages.signIn,
  validateSearch: (search: Record<string, unknown>): { next?: string } => ({ next: text(search.next) }),
  component: lazyRouteComponent(() => import('./pages/SignIn'), 'SignIn'),
})

/** Everything behind it needs a session; without one the visitor signs in and comes back. */
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: async ({ location }) => {
    if (hasSession() || (await refreshSession())) return
    if (await setupRequired()) throw redirect({ to: pages.setup, search: {} })
    throw redirect({ to: pages.signIn, search: { next: location.href } })
  },
  component: Frame,
})

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: pages.workflows, replace: true })
  },
})

const workflowStatuses: WorkflowStatus[] = ['draft', 'active', 'archived']
const workflows = createRoute({
  getParentRoute: () => inside,
  path: pages.workflows,
  validateSearch: (search: Record<string, unknown>): { q?: string; status?: WorkflowStatus } => ({
    q: text(search.q),
    status: oneOf(workflowStatuses, search.status),
  }),
  component: lazyRouteComponent(() => import('./pages/Workflows'), 'Workflows'),
})

const workflow = createRoute({
  getParentRoute: () => inside,
  path: '/workflows/$id',
  // The document is opened once per visit; what is edited lives in the store from then on.
  loader: async ({ params }) => (await import('./pages/editor/load')).loadEditor(params.id),
  staleTime: Infinity,
  gcTime: 0,
  validateSearch: (search: Record<string, unknown>): { step?: string } => ({ step: text(search.step) }),
  component: lazyRouteComponent(() => import('./pages/EditorPage'), 'EditorPage'),
})

const runStatuses: RunStatus[] = ['pending', 'running', 'waiting', 'completed', 'failed', 'cancelled']
const runs = createRoute({
  getParentRoute: () => inside,
  path: pages.runs,
  validateSearch: (search: Record<string, unknown>): { workflow_id?: string; status?: RunStatus } => ({
    workflow_id: text(search.workflow_id),
    status: oneOf(runStatuses, search.status),
  }),
  component: lazyRouteComponent(() => import('./pages/Runs'), 'Runs'),
})

export const runTabs = ['items', 'files', 'cost', 'output', 'response', 'input', 'error', 'log'] as const
export type RunTab = (typeof runTabs)[number]
export type RunSearch = { step?: string; attempt?: number; tab?: RunTab }

const run = createRoute({
  getParentRoute: () => inside,
  path: '/runs/$id',
  loader: async ({ params }) => (await import('./pages/run/load')).loadRun(params.id),
  staleTime: Infinity,
  gcTime: 0,
  validateSearch: (search: Record<string, unknown>): RunSearch => ({
    step: text(search.step),
    attempt: typeof search.attempt === 'number' ? search.attempt : undefined,
    tab: oneOf(runTabs, search.tab),
  }),
  component: lazyRouteComponent(() => import('./pages/RunPage'), 'RunPage'),
})

const triggerKinds: TriggerKind[] = ['webhook', 'github', 'schedule']
const triggers = createRoute({
  getParentRoute: () => inside,
  path: pages.triggers,
  validateSearch: (search: Record<string, unknown>): { kind?: TriggerKind; workflow_id?: string } => ({
    kind: oneOf(triggerKinds, search.kind),
    workflow_id: text(search.workflow_id),
  }),
  component: lazyRouteComponent(() => import('./pages/Triggers'), 'Triggers'),
})

const deliveryStatuses: DeliveryStatus[] = [
  'received',
  'started',
  'filtered',
  'duplicate',
  'refused',
  'held',
  'queued',
  'skipped',
  'failed',
]
const trigger = createRoute({
  getParentRoute: () => inside,
  path: '/triggers/$id',
  validateSearch: (search: Record<string, unknown>): { status?: DeliveryStatus; delivery?: string } => ({
    status: oneOf(deliveryStatuses, search.status),
    delivery: text(search.delivery),
  }),
  component: lazyRouteComponent(() => import('./pages/TriggerPage'), 'TriggerPage'),
})

/** A delivery is shown with its trigger; whoever knows only its id is led there. */
const delivery = createRoute({
  getParentRoute: () => inside,
  path: '/deliveries/$id',
  beforeLoad: async ({ params }) => {
    const { id, trigger_id } = await queryClient.fetchQuery(deliveryQuery(params.id))
    throw redirect({ to: '/triggers/$id', params: { id: trigger_id }, search: { delivery: id }, replace: true })
  },
})

const secrets = createRoute({
  getParentRoute: () => inside,
  path: pages.secrets,
  component: lazyRouteComponent(() => import('./pages/Secrets'), 'Secrets'),
})

const budgets = createRoute({
  getParentRoute: () => inside,
  path: pages.budgets,
  component: lazyRouteComponent(() => import('./pages/Budgets'), 'Budgets'),
})

const usageBys: UsageBy[] = ['day', 'workflow', 'node', 'model', 'user', 'run']
const usage = createRoute({
  getParentRoute: () => inside,
  path: pages.usage,
  validateSearch: (search: Record<string, unknown>): { by?: UsageBy; days?: number } => ({
    by: oneOf(usageBys, search.by),
    days: typeof search.days === 'number' ? search.days : undefined,
  }),
  component: lazyRouteComponent(() => import('./pages/Usage'), 'Usage'),
})

const approvals = createRoute({
  getParentRoute: () => inside,
  path: pages.approvals,
  component: lazyRouteComponent(() => import('./pages/Approvals'), 'Approvals'),
})

const settings = createRoute({
  getParentRoute: () => inside,
  path: pages.settings,
  component: lazyRouteComponent(() => import('./pages/Settings'), 'Settings'),
})

export const router = createRouter({
  routeTree: root.addChildren([
    setup,
    signIn,
    inside.addChildren([
      home,
      workflows,
      workflow,
      runs,
      run,
      triggers,
      trigger,
      delivery,
      approvals,
      secrets,
      budgets,
      usage,
      settings,
    ]),
  ]),
  defaultPreload: false,
  defaultErrorComponent: Trouble,
  defaultPendingComponent: Loading,
  defaultPendingMs: 400,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
