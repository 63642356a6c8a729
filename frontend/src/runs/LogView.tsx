import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef } from 'react'

import { formatClock } from '../util/time'

import { parseAnsi } from './ansi'
import type { LogLine } from './fold'

type Props = { lines: readonly LogLine[]; live: boolean; nameOf?: (nodeId: string) => string }

type Row = { key: string; line: LogLine; text: string; first: boolean }

/** Log lines as they come. It follows the end until the reader scrolls up, and again once they are back there. */
export function LogView({ lines, live, nameOf }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  const rows = useMemo(() => lines.flatMap(toRows), [lines])
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 18,
    overscan: 20,
  })

  useEffect(() => {
    if (atEnd.current && rows.length) list.scrollToIndex(rows.length - 1, { align: 'end' })
  }, [rows.length, list])

  if (!rows.length) return <p className="panel-none">{live ? 'Nothing has been logged yet.' : 'Nothing was logged.'}</p>
  return (
    <div
      className="log"
      role="log"
      aria-live="off"
      tabIndex={0}
      ref={scroller}
      onScroll={({ currentTarget: el }) => {
        atEnd.current = el.scrollHeight - el.scrollTop - el.clientHeight < 24
      }}
    >
      <div style={{ height: list.getTotalSize(), position: 'relative' }}>
        {list.getVirtualItems().map((item) => {
          const row = rows[item.index] as Row
          return (
            <div
              key={row.key}
              ref={list.measureElement}
              data-index={item.index}
              className={`log-line is-${row.line.stream}`}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <span className="log-at">{row.first ? formatClock(Date.parse(row.line.at)) : ''}</span>
              {nameOf && <span className="log-step">{row.first ? nameOf(row.line.nodeId) : ''}</span>}
              <span className="log-text">
                {parseAnsi(row.text).map((piece, index) => (
                  <span key={index} data-tone={piece.tone ?? undefined} className={piece.bold ? 'is-bold' : undefined}>
                    {piece.text}
                  </span>
                ))}
              </span>
            </div>
          )
        })}
      </div>
    </div>
  )
}

function toRows(line: LogLine): Row[] {
  const texts = line.text.replace(/\r?\n$/, '').split('\n')
  return texts.map((text, index) => ({ key: `${line.seq}.${index}`, line, text, first: index === 0 }))
}
