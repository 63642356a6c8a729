import { Link } from '@tanstack/react-router'

import type { UsageBy, UsageLine } from '../../api/types'
import { formatCount, formatUsd } from '../../util/money'

import { byWords } from './words'

type Props = { by: UsageBy; lines: UsageLine[]; total: UsageLine }

const nobody: Partial<Record<UsageBy, string>> = {
  user: 'nobody: a trigger or a schedule',
  workflow: 'a workflow that is gone',
  run: 'a run',
}

export function UsageTable({ by, lines, total }: Props) {
  return (
    <table className="table is-still usage-table">
      <thead>
        <tr>
          <th>{byWords[by]}</th>
          <th className="is-num">Cost</th>
          <th className="wide-only" aria-label="Share" />
          <th className="is-num wide-only">Turns</th>
          <th className="is-num wide-only">Read</th>
          <th className="is-num wide-only">From cache</th>
          <th className="is-num wide-only">Written</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.key}>
            <td className="main" title={line.name || line.key}>
              <Name by={by} line={line} />
            </td>
            <td className="num is-num">
              {formatUsd(line.cost_usd)}
              {line.estimated_usd > 0 && (
                <span
                  className="dim"
                  title={`${formatUsd(line.estimated_usd)} of it estimated: turns that were cut short count in full`}
                >
                  {' '}
                  *
                </span>
              )}
            </td>
            <td className="wide-only usage-share">
              <span className="usage-bar" style={{ width: `${share(line, total)}%` }} />
            </td>
            <td className="num is-num wide-only">{formatCount(line.turns)}</td>
            <td className="num is-num wide-only">{formatCount(line.tokens.input + line.tokens.cache_write)}</td>
            <td className="num is-num wide-only">{formatCount(line.tokens.cache_read)}</td>
            <td className="num is-num wide-only">{formatCount(line.tokens.output)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <td>All</td>
          <td className="num is-num">{formatUsd(total.cost_usd)}</td>
          <td className="wide-only" />
          <td className="num is-num wide-only">{formatCount(total.turns)}</td>
          <td className="num is-num wide-only">{formatCount(total.tokens.input + total.tokens.cache_write)}</td>
          <td className="num is-num wide-only">{formatCount(total.tokens.cache_read)}</td>
          <td className="num is-num wide-only">{formatCount(total.tokens.output)}</td>
        </tr>
      </tfoot>
    </table>
  )
}

const share = (line: UsageLine, total: UsageLine): number =>
  total.cost_usd > 0 ? (line.cost_usd / total.cost_usd) * 100 : 0

function Name({ by, line }: { by: UsageBy; line: UsageLine }) {
  const name = line.name || nobody[by] || line.key
  const [workflow = ''] = line.key.split('/')
  if (by === 'run') {
    return (
      <Link to="/runs/$id" params={{ id: line.key }} search={{ tab: 'cost' }}>
        {name} <span className="dim mono">{line.key.slice(-8)}</span>
      </Link>
    )
  }
  if ((by === 'workflow' || by === 'node') && line.name) {
    return (
      <Link
        to="/workflows/$id"
        params={{ id: workflow }}
        search={by === 'node' ? { step: line.key.slice(workflow.length + 1) } : {}}
      >
        {name}
      </Link>
    )
  }
  return <span className={line.name ? (by === 'model' ? 'mono' : undefined) : 'dim'}>{name}</span>
}
