import { formatUsd } from '../../util/money'

import type { DayLine } from './days'

const short = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })
const shown = (day: string): string => short.format(Date.parse(`${day}T00:00:00Z`))

/** A bar for each day. The table beside it says the same in numbers, so that nobody has to read it here. */
export function UsageChart({ lines }: { lines: DayLine[] }) {
  const most = Math.max(...lines.map(({ cost }) => cost), 0)
  const marks = [0, Math.floor((lines.length - 1) / 2), lines.length - 1]
  return (
    <figure className="chart">
      <figcaption className="dim">
        Cost by day<span className="num"> · the dearest {formatUsd(most)}</span>
      </figcaption>
      <div className="chart-bars" aria-hidden>
        {lines.map(({ day, cost, turns }) => (
          <span key={day} className="chart-day" title={`${shown(day)}: ${formatUsd(cost)}, ${turns} turns`}>
            <span className="chart-bar" style={{ height: `${most > 0 ? (cost / most) * 100 : 0}%` }} />
          </span>
        ))}
      </div>
      <div className="chart-marks dim num" aria-hidden>
        {marks.map((at) => (
          <span key={at}>{shown(lines[at]?.day ?? '')}</span>
        ))}
      </div>
    </figure>
  )
}
