import { SegmentedControl, Tabs } from '@mantine/core'
import type { ReactNode } from 'react'

import type { Failure, Json } from '../api/types'
import { JsonView } from '../ui/JsonView'

import type { LogLine } from './fold'
import { LogView } from './LogView'

export type Tab = 'items' | 'files' | 'cost' | 'output' | 'response' | 'input' | 'error' | 'log'

type Props = {
  title: ReactNode
  tab: Tab
  onTab: (tab: Tab) => void
  input: Json | undefined
  output: Json | undefined
  error: Failure | null
  /** Leads to where the error happened, when that is elsewhere. */
  origin?: ReactNode
  /** What is shown instead of an output that is not there. */
  noOutput: ReactNode
  /** The runs that this step started, with a title that counts them. */
  items?: { title: ReactNode; panel: ReactNode }
  /** What the step has changed in the work tree. */
  files?: ReactNode
  /** What was spent; absent where nothing is ever spent. */
  cost?: ReactNode
  /** What the run answers its caller. */
  response?: Json
  /** What can be done here. */
  tools?: ReactNode
  lines: readonly LogLine[]
  live: boolean
  nameOf?: (nodeId: string) => string
  attempts?: number[]
  attempt?: number
  onAttempt?: (attempt: number) => void
}

/** What went in and what came out, of one attempt or of the whole run. */
export function DataPanel(props: Props) {
  const {
    title,
    tab,
    onTab,
    input,
    output,
    error,
    origin,
    noOutput,
    items,
    files,
    cost,
    response,
    tools,
    lines,
    live,
    nameOf,
    attempts = [],
    attempt,
    onAttempt,
  } = props
  return (
    <section className="panel" aria-label="Details">
      <header className="panel-head">
        <div className="grow clip">{title}</div>
        {attempts.length > 1 && attempts.length <= 6 && (
          <SegmentedControl
            size="xs"
            aria-label="Attempt"
            data={attempts.map((value) => ({ value: String(value), label: `Attempt ${value}` }))}
            value={String(attempt)}
            onChange={(value) => onAttempt?.(Number(value))}
          />
        )}
        {attempts.length > 6 && (
          <select
            className="panel-select"
            aria-label="Attempt"
            value={attempt}
            onChange={({ currentTarget }) => onAttempt?.(Number(currentTarget.value))}
          >
            {attempts.map((value) => (
              <option key={value} value={value}>
                Attempt {value}
              </option>
            ))}
          </select>
        )}
        {tools}
      </header>
      <Tabs
        value={(tab === 'items' && !items) || (tab === 'files' && !files) || (tab === 'cost' && !cost) ? 'output' : tab}
        onChange={(value) => onTab(value as Tab)}
        className="panel-tabs"
        keepMounted={false}
      >
        <Tabs.List>
          {items && <Tabs.Tab value="items">{items.title}</Tabs.Tab>}
          <Tabs.Tab value="output">Output</Tabs.Tab>
          {files && <Tabs.Tab value="files">Files</Tabs.Tab>}
          {given(response) && <Tabs.Tab value="response">Response</Tabs.Tab>}
          <Tabs.Tab value="input">Input</Tabs.Tab>
          <Tabs.Tab value="error" className={error ? 'tab-error' : undefined}>
            Error
          </Tabs.Tab>
          <Tabs.Tab value="log">
            Log{lines.length > 0 && <span className="num dim"> {lines.length.toLocaleString()}</span>}
          </Tabs.Tab>
          {cost && <Tabs.Tab value="cost">Cost</Tabs.Tab>}
        </Tabs.List>
        {items && <Tabs.Panel value="items">{items.panel}</Tabs.Panel>}
        {cost && <Tabs.Panel value="cost">{cost}</Tabs.Panel>}
        <Tabs.Panel value="output">
          {given(output) ? <JsonView value={output} label="Output" /> : <None>{noOutput}</None>}
        </Tabs.Panel>
        {files && <Tabs.Panel value="files">{files}</Tabs.Panel>}
        <Tabs.Panel value="response">
          {given(response) ? <JsonView value={response} label="Response" /> : <None>No response.</None>}
        </Tabs.Panel>
        <Tabs.Panel value="input">
          {given(input) ? <JsonView value={input} label="Input" /> : <None>No input.</None>}
        </Tabs.Panel>
        <Tabs.Panel value="error">
          {error ? <ErrorView error={error} origin={origin} /> : <p className="panel-none">No error.</p>}
        </Tabs.Panel>
        <Tabs.Panel value="log">
          <LogView lines={lines} live={live} nameOf={nameOf} />
        </Tabs.Panel>
      </Tabs>
    </section>
  )
}

const given = (value: Json | undefined): value is Exclude<Json, null> => value !== undefined && value !== null

const None = ({ children }: { children: ReactNode }) =>
  typeof children === 'string' ? <p className="panel-none">{children}</p> : children

function ErrorView({ error, origin }: { error: Failure; origin: ReactNode }) {
  return (
    <div className="error-view">
      <span className="error-code mono">{error.code}</span>
      {origin && <span className="dim"> in {origin}</span>}
      {error.retryable !== undefined && (
        <span className="dim"> {error.retryable ? 'may be tried again' : 'trying again would not help'}</span>
      )}
      <pre className="error-message">{error.message}</pre>
      {error.details !== undefined && error.details !== null && <JsonView value={error.details} label="Details" />}
    </div>
  )
}
