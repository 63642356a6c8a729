import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useRef } from 'react'

import { StateBadge, stateTone, stateWord, type State } from '../ui/StateBadge'
import { formatDuration } from '../util/time'

import type { StepView } from './fold'
import { barsOf, ticksOf, type Bar, type Span } from './timescale'
import './runs.css'

type Props = {
  steps: StepView[]
  span: Span
  now: number
  titleOf: (step: StepView) => string
  stateOf: (step: StepView) => State
  chosen: string | null
  onChoose: (step: StepView, attempt?: number) => void
}

const rowHeight = 30

/** One row per step and one bar per attempt. The whole row can be clicked, however short its bar. */
export function Timeline({ steps, span, now, titleOf, stateOf, chosen, onChoose }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const rows = useVirtualizer({
    count: steps.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  })
  const at = chosen === null ? -1 : steps.findIndex((step) => step.key === chosen)
  useEffect(() => {
    if (at >= 0) rows.scrollToIndex(at, { align: 'auto' })
  }, [at, rows])
  return (
    <section className="timeline" aria-label="Timeline">
      <div className="timeline-axis" aria-hidden>
        {ticksOf(span).map((at) => (
          <span key={at} style={{ left: `${(at / (span.to - span.from)) * 100}%` }}>
            {at === 0 ? '0' : formatDuration(at).replace(/\.0 s/, ' s')}
          </span>
        ))}
      </div>
      <div className="timeline-rows" ref={scroller}>
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map((row) => {
            const step = steps[row.index] as StepView
            return (
              <div
                key={step.key}
                className="timeline-slot"
                style={{ transform: `translateY(${row.start}px)`, height: rowHeight }}
              >
                <Row
                  step={step}
                  bars={barsOf(step.attempts, span, now)}
                  now={now}
                  title={titleOf(step)}
                  state={stateOf(step)}
                  chosen={chosen === step.key}
                  onChoose={onChoose}
                />
              </div>
            )
          })}
        </div>
        {steps.length === 0 && <p className="timeline-none">No step has begun yet.</p>}
      </div>
    </section>
  )
}

type RowProps = {
  step: StepView
  bars: Bar[]
  now: number
  title: string
  state: State
  chosen: boolean
  onChoose: Props['onChoose']
}

function Row({ step, bars, now, title, state, chosen, onChoose }: RowProps) {
  return (
    <div className={chosen ? 'timeline-row is-chosen' : 'timeline-row'} onClick={() => onChoose(step)}>
      <button type="button" className="timeline-label" aria-pressed={chosen} data-step={step.key}>
        <span className="clip grow">{title}</span>
        <StateBadge state={state} />
      </button>
      <div className="timeline-track">
        {bars.map((bar) => (
          <button
            key={`${bar.kind}${bar.attempt.attempt}`}
            type="button"
            className={`timeline-bar is-${bar.kind}`}
            data-tone={stateTone(bar.kind === 'pause' ? 'waiting' : bar.attempt.status)}
            style={{ left: `min(${bar.left}%, calc(100% - 3px))`, width: `${bar.width}%` }}
            title={describe(bar, now)}
            aria-label={`${title}: ${describe(bar, now)}`}
            onClick={(event) => {
              event.stopPropagation()
              onChoose(step, bar.attempt.attempt)
            }}
          />
        ))}
      </div>
    </div>
  )
}

function describe({ kind, attempt }: Bar, now: number): string {
  if (kind === 'pause') return `waiting to try again after attempt ${attempt.attempt}`
  const took = attempt.startedAt === null ? '' : `, ${formatDuration((attempt.finishedAt ?? now) - attempt.startedAt)}`
  return `attempt ${attempt.attempt}, ${stateWord(attempt.status).toLowerCase()}${took}`
}
