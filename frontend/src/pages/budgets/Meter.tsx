import { formatUsd } from '../../util/money'

import { shares, toneOf } from './words'

type Props = { spent: number; reserved: number; limit: number; label: string }

/** What is spent and set aside of what may be. */
export function Meter({ spent, reserved, limit, label }: Props) {
  const share = shares(spent, reserved, limit)
  return (
    <div
      className="meter"
      data-tone={toneOf(spent, reserved, limit)}
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={limit}
      aria-valuenow={Math.min(spent, limit)}
      aria-valuetext={`${formatUsd(spent)} of ${formatUsd(limit)}`}
    >
      <span className="meter-spent" style={{ width: `${share.spent}%` }} />
      <span className="meter-aside" style={{ width: `${share.reserved}%` }} />
    </div>
  )
}
