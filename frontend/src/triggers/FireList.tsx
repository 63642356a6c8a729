import type { Fire } from '../api/types'
import { formatFull, formatUntil, hasSeconds, splitLocal } from '../util/time'

import { clockWords } from './words'
import './triggers.css'

/** The next fires of a schedule, on its own clock; those that a change of that clock has to do with are marked. */
export function FireList({ fires, now }: { fires: Fire[]; now: number }) {
  if (!fires.length) return <p className="dim">It does not fire any more.</p>
  const seconds = fires.some(({ slot }) => hasSeconds(slot))
  return (
    <ol className="fires" aria-label="Next fires">
      {fires.map(({ slot, local, dst }) => {
        const { text, offset } = splitLocal(local, seconds)
        return (
          <li key={slot} className="fire" data-dst={dst ?? undefined} title={`${formatFull(slot)} on your clock`}>
            <span className="num">{text}</span>
            <span className="dim num">{offset}</span>
            {dst && (
              <span className="fire-change" data-tone="waiting" title={clockWords[dst].help}>
                {clockWords[dst].word}
              </span>
            )}
            <span className="dim fire-until">{formatUntil(slot, now)}</span>
          </li>
        )
      })}
    </ol>
  )
}
