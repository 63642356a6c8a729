// The shapes that the server answers with, by the names used across the app.

export type RunStatus = 'pending' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled'
export type StepStatus = RunStatus | 'skipped'
export type WorkflowStatus = 'draft' | 'active' | 'archived'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

export type Retry = {
  max_attempts?: number
  backoff?: 'exponential' | 'linear' | 'fixed'
  initial_ms?: number
  max_ms?: number
}

export type GraphNode = {
  id: string
  type: string
  name?: string
  position?: { x: number; y: number }
  params?: JsonObject
  retry?: Retry
  timeout_s?: number
  on_error?: 'fail' | 'continue'
  notes?: string
}
export type GraphEdge = { source: string; port?: string; target: string }
export type Graph = { nodes: GraphNode[]; edges: GraphEdge[]; settings?: JsonObject }

export type Problem = {
  code: string
  message: string
  node_id?: string | null
  edge?: number | null
  field?: string | null
}
export type Validation = { valid: boolean; problems: Problem[] }

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
}

export type NodeType = {
  type: string
  title: string
  description: string
  group: string
  icon: string
  ports: string[]
  pure: boolean
  lane: 'inline' | 'dispatched'
  trigger: boolean
  params_schema: Schema
  output_schema?: Schema | null
}

export type Workflow = {
  id: string
  name: string
  description: string | null
  status: WorkflowStatus
  version: number
  published_version: number | null
  created_at: string
  updated_at: string
  last_run: { id: string; status: RunStatus; created_at: string } | null
}
export type Version = {
  version: number
  graph: Graph
  note: string | null
  created_at: string
  created_by: string | null
  content_hash: string
}
export type VersionSummary = Omit<Version, 'graph'>

export type Failure = { code: string; message: string; node_id?: string | null; retryable?: boolean; details?: Json }

export type RunSummary = {
  id: string
  workflow_id: string
  workflow_name: string
  version: number
  status: RunStatus
  error: Failure | null
  trigger: string
  created_at: string
  started_at: string | null
  finished_at: string | null
  cancel_requested_at?: string | null
}
export type Run = RunSummary & { input: Json; output: Json }

export type StepRow = {
  node_id: string
  /** Which item of a map; empty elsewhere. */
  item: string
  attempt: number
  status: StepStatus
  input: Json
  output: Json
  error: Failure | null
  port: string | null
  started_at: string | null
  finished_at: string | null
  wake_at: string | null
  retry_count: number
  effect_key: string | null
}

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
}

export type Page<T> = { items: T[]; next_cursor: string | null }
export type Token = { access_token: string; token_type: string; expires_in: number }
export type Profile = { user: { id: string; email: string }; workspace: { id: string; name: string }; role: string }
