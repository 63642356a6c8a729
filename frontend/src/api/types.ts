import type { components } from './schema'

// The shapes that the server answers with, by the names used across the app. They are the generated ones, made narrower
// where the document says less than is true: which words a status may be, what a graph holds. A field that the server
// renames or takes away is a compile error here.

type Stored = components['schemas']

/** The server leaves no field out; what is absent is null. `More` may only speak of fields that there are. */
type Refine<T, More extends Partial<Record<keyof T, unknown>> = object> = {
  [K in Exclude<keyof T, keyof More>]-?: Exclude<T[K], undefined>
} & More

export type RunStatus = 'pending' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled'
export type StepStatus = RunStatus | 'skipped'
export type WorkflowStatus = 'draft' | 'active' | 'archived'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

export type Retry = {
  max_attempts?: number
  backoff?: 'exponential' | 'linear'
  initial_ms?: number
  max_ms?: number
  codes?: string[]
}

/** At most `limit` at a time of those for which `key` gives the same; without a key, of all. */
export type Concurrency = { limit?: number; key?: string }

export type GraphNode = {
  id: string
  type: string
  name?: string
  position?: { x: number; y: number }
  params?: JsonObject
  retry?: Retry
  timeout_s?: number
  on_error?: 'fail' | 'continue'
  concurrency?: Concurrency
  notes?: string
}
export type GraphEdge = { source: string; port?: string; target: string }
export type Graph = { nodes: GraphNode[]; edges: GraphEdge[]; settings?: JsonObject }

export type Problem = Stored['GraphProblem']
export type Validation = Stored['Validation']

export type Schema = {
  type?: string | string[]
  title?: string
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema | boolean
  additionalProperties?: Schema | boolean
  enum?: Json[]
  const?: Json
  oneOf?: Schema[]
  anyOf?: Schema[]
  default?: Json
  minimum?: number
  maximum?: number
  format?: string
  'x-widget'?: string
  'x-language'?: string
  'x-placeholder'?: string
  /** Texts that a list of texts is offered. */
  'x-choices'?: string[]
  /** Names that are given already. */
  'x-taken'?: string[]
  /** The field is drawn only while each of these fields beside it, or its default, is one of these values. */
  'x-shown-when'?: Record<string, Json[]>
}

export type NodeType = Refine<Stored['NodeType'], { lane: 'inline' | 'dispatched'; params_schema: Schema }>

export type LastRun = Refine<Stored['LastRun'], { status: RunStatus }>
export type Workflow = Refine<Stored['Workflow'], { status: WorkflowStatus; last_run: LastRun | null }>
export type VersionSummary = Refine<Stored['VersionSummary']>
export type Version = VersionSummary & { graph: Graph }

export type RunError = Stored['RunError']
export type StepError = Refine<Stored['StepError'], { details?: Json }>

export type Priority = 'high' | 'normal' | 'low'
export type Parent = Stored['RunParent']

/** What began a run. */
export type StartedBy = 'manual' | 'api' | 'webhook' | 'github' | 'schedule' | 'step' | 'failure'

export type RunSummary = Refine<Stored['RunSummary'], { status: RunStatus; priority: Priority; trigger: StartedBy }>
export type Run = RunSummary & { input: Json; output: Json; response: Json }

/** What a waiting step waits for besides the clock. */
export type Awaiting =
  | { kind: 'signal'; name: string }
  | { kind: 'approval'; title: string; details: Json; approvers: string[] }
  | { kind: 'children'; total: number; open?: number; ended?: number }
  | Funds
  | { kind: 'resolutions'; open: number }

/** A budget is used up: `step`, `run`, or the id of one. */
export type Funds = {
  kind: 'funds'
  message: string
  budget: string
  scope: string
  limit_usd: number
  spent_usd: number
  reserved_usd: number
  resets_at: string | null
}

export type Reason = Stored['RunReason']
export type Why = Refine<Stored['Why'], { status: RunStatus }>

export type Rerun = { from_node?: string; version?: number; input?: Json }
export type Decision = 'keep' | 'run_again' | 'cannot_keep'
export type PlannedStep = Refine<Stored['RerunStep'], { decision: Decision }>
export type Checkpoint = Stored['Checkpoint']
export type ChangedFile = Stored['ChangedFile']
export type RerunPlan = Refine<Stored['RerunPlan'], { steps: PlannedStep[] }>

/** What becomes of a file that collides: one side as it is, or what a person writes. */
export type Take = 'ours' | 'theirs' | 'delete'
export type ConflictAnswer = { take: Take } | { content: string }
export type ConflictSide = Stored['ConflictSide']
export type ConflictResolution = Refine<
  Stored['ConflictResolution'],
  { method: 'auto' | 'model' | 'person'; take: Take | null }
>
export type Conflict = Refine<Stored['RunConflict'], { resolutions: ConflictResolution[] }>

export type Verdict = 'approved' | 'rejected'
export type Approval = Refine<Stored['Approval'], { details: Json }>

export type TriggerKind = 'webhook' | 'github' | 'schedule'
export type TriggerStatus = 'draft' | 'active' | 'stopped'
export type DeliveryStatus =
  'received' | 'started' | 'filtered' | 'duplicate' | 'refused' | 'held' | 'queued' | 'skipped' | 'failed'

export type LastDelivery = Refine<Stored['LastDelivery'], { status: DeliveryStatus }>
export type Trigger = Refine<
  Stored['Trigger'],
  { kind: TriggerKind; status: TriggerStatus; params: JsonObject; last_delivery: LastDelivery | null }
>
export type Held = Stored['Held']

export type DeliverySummary = Refine<Stored['DeliverySummary'], { status: DeliveryStatus }>
/** The body is null when it is not kept. */
export type Delivery = Refine<
  Stored['Delivery'],
  { status: DeliveryStatus; headers: JsonObject; query: JsonObject | null; body_encoding: 'text' | 'base64' }
>

/** What a change of the clock has to do with a fire. */
export type ClockChange = 'gap' | 'overlap' | 'offset_changes'
export type Fire = Refine<Stored['Fire'], { dst: ClockChange | null }>
export type Fires = Refine<Stored['Fires'], { items: Fire[] }>
export type Backfilled = Stored['Backfilled']

export type UsedBy = Stored['UsedBy']
export type Secret = Stored['Secret']
export type SecretDeleted = Stored['SecretDeleted']

export type BudgetPeriod = 'day' | 'week' | 'month' | 'total'
export type Budget = Refine<Stored['Budget'], { scope: 'workspace' | 'workflow'; period: BudgetPeriod }>
export type NewBudget = { workflow_id?: string; period: BudgetPeriod; limit_usd: number; time_zone?: string }
export type TopUp = Stored['TopUp']
export type RunBudget = Refine<Stored['RunBudget']>
export type StepCost = Stored['StepCost']
export type UsageBy = 'node' | 'run' | 'workflow' | 'user' | 'model' | 'day'
export type UsageLine = Stored['UsageLine']
export type Usage = Refine<Stored['Usage']>

export type WorkspaceSettings = Stored['Workspace']

/** An attempt of a step; its `item` is which one of a map, empty elsewhere. */
export type StepRow = Refine<
  Stored['Step'],
  { status: StepStatus; input: Json; output: Json; error: StepError | null }
> & {
  /** What it waits for beside the time, or has waited for. */
  awaiting: Awaiting | null
  kept: boolean
}

/** Why a step or a run failed, as a stored row or an event tells it. */
export type Failure = RunError & Partial<Omit<StepError, keyof RunError>>

export type RunEventKind =
  | 'run_started'
  | 'step_started'
  | 'step_log'
  | 'step_succeeded'
  | 'step_failed'
  | 'step_retrying'
  | 'step_waiting'
  | 'step_skipped'
  | 'step_cancelled'
  | 'run_cancelling'
  | 'run_paused'
  | 'run_resumed'
  | 'run_finished'

export type RunEvent = {
  seq: number
  run_id: string
  kind: RunEventKind
  node_id?: string | null
  item?: string
  attempt?: number | null
  at: string
  stream?: 'stdout' | 'stderr' | 'system'
  text?: string
  port?: string | null
  error?: Failure | null
  retry_at?: string | number | null
  wake_at?: string | number | null
  status?: RunStatus
  awaiting?: Awaiting | null
  /** It was taken over from the run that this one repeats. */
  kept?: boolean
}

export type Page<T> = { items: T[]; next_cursor: string | null }
export type Token = Stored['TokenAnswer']
export type Profile = Stored['ProfileAnswer']
