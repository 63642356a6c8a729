import type { Attempt } from './fold'

export type Span = { from: number; to: number }
export type Bar = { kind: 'attempt' | 'pause'; attempt: Attempt; left: number; width: number }

/** From the first start to the end, or to now while the run goes on. */
export function spanOf(
  startedAt: number | null,
  finishedAt: number | null,
  attempts: readonly Attempt[],
  now: number,
): Span {
  const starts = attempts.flatMap((one) => (one.startedAt === null ? [] : [one.startedAt]))
  const from = Math.min(
    startedAt ?? Infinity,
    starts.reduce((a, b) => Math.min(a, b), Infinity),
  )
  const ends = attempts.map((one) => one.finishedAt ?? 0).reduce((a, b) => Math.max(a, b), 0)
  const to = finishedAt === null ? now : Math.max(finishedAt, ends)
  const first = Number.isFinite(from) ? from : to
  return { from: first, to: Math.max(to, first + 1) }
}

/** One bar per attempt, and the pauses between an attempt and the next, in percent of the span. */
export function barsOf(attempts: readonly Attempt[], span: Span, now: number): Bar[] {
  const percent = (at: number) =>
    ((Math.min(Math.max(at, span.from), span.to) - span.from) / (span.to - span.from)) * 100
  const bar = (kind: Bar['kind'], attempt: Attempt, from: number, to: number): Bar => ({
    kind,
    attempt,
    left: percent(from),
    width: Math.max(0, percent(to) - percent(from)),
  })
  return attempts.flatMap((attempt, index) => {
    if (attempt.startedAt === null) return []
    const own = bar('attempt', attempt, attempt.startedAt, attempt.finishedAt ?? now)
    if (!attempt.willRetry || attempt.finishedAt === null) return [own]
    const next = attempts[index + 1]?.startedAt ?? Math.min(attempt.wakeAt ?? now, now)
    return [own, bar('pause', attempt, attempt.finishedAt, next)]
  })
}

const nice = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5,
  432e5, 864e5,
]

/** Round marks, few enough to be read. */
export function ticksOf({ from, to }: Span, most = 6): number[] {
  const length = to - from
  const step = nice.find((size) => length / size <= most) ?? length / most
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step)
}
