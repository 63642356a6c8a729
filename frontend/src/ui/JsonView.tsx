import { ActionIcon, SegmentedControl, Tooltip } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { useState } from 'react'

import { isLarge, LargeValue } from './LargeValue'
import type { Value } from './value'
import './json.css'

/** A JSON value as a tree that draws only what is unfolded, or as text. */
export function JsonView({ value, label }: { value: Value; label: string }) {
  const [look, setLook] = useState('tree')
  const { copy, copied } = useClipboard()
  const simple = typeof value !== 'object' || value === null
  return (
    <div className="json" aria-label={label}>
      <div className="json-tools">
        {!simple && (
          <SegmentedControl
            size="xs"
            data={[
              { value: 'tree', label: 'Tree' },
              { value: 'text', label: 'Text' },
            ]}
            value={look}
            onChange={setLook}
            aria-label="View"
          />
        )}
        <Tooltip label={copied ? 'Copied' : 'Copy'}>
          <ActionIcon size={28} aria-label="Copy" onClick={() => copy(toText(value))}>
            {copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
          </ActionIcon>
        </Tooltip>
      </div>
      {simple || look === 'text' ? <Text value={value} /> : <Entry name={null} value={value} depth={0} />}
    </div>
  )
}

const toText = (value: Value): string => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))

const longest = 200_000

function Text({ value }: { value: Value }) {
  const text = toText(value)
  const [all, setAll] = useState(false)
  const cut = !all && text.length > longest
  return (
    <>
      <pre className="json-text">{cut ? text.slice(0, longest) : text}</pre>
      {cut && (
        <button type="button" className="json-more" onClick={() => setAll(true)}>
          Show all {text.length.toLocaleString()} characters
        </button>
      )}
    </>
  )
}

const pageSize = 100

function Entry({ name, value, depth }: { name: string | null; value: Value; depth: number }) {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : null
  const [open, setOpen] = useState(depth < 2 && (entries?.length ?? 0) <= 50)
  const [shown, setShown] = useState(pageSize)
  const key = name !== null && <span className="json-key">{name}: </span>
  if (!entries) {
    return (
      <div className="json-row">
        {key}
        <Leaf value={value as Exclude<Value, object>} />
      </div>
    )
  }
  if (isLarge(value))
    return (
      <div className="json-row">
        {key}
        <LargeValue at={value} show={(whole) => <Entry name={null} value={whole} depth={1} />} />
      </div>
    )
  const [left, right] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  if (!entries.length)
    return (
      <div className="json-row">
        {key}
        {left + right}
      </div>
    )
  return (
    <div className="json-branch">
      <button type="button" className="json-row is-branch" aria-expanded={open} onClick={() => setOpen(!open)}>
        {key}
        <span className="dim">{open ? left : `${left} ${entries.length} ${right}`}</span>
      </button>
      {open && (
        <div className="json-children">
          {entries.slice(0, shown).map(([child, entry]) => (
            <Entry key={child} name={child} value={entry} depth={depth + 1} />
          ))}
          {entries.length > shown && (
            <button type="button" className="json-more" onClick={() => setShown(shown + pageSize * 5)}>
              {entries.length - shown} more
            </button>
          )}
        </div>
      )}
    </div>
  )
}

function Leaf({ value }: { value: Exclude<Value, object> | null }) {
  const [all, setAll] = useState(false)
  if (typeof value !== 'string')
    return <span className={`json-${value === null ? 'null' : typeof value}`}>{String(value)}</span>
  const cut = !all && value.length > 2000
  return (
    <span className="json-string">
      {JSON.stringify(cut ? value.slice(0, 2000) : value)}
      {cut && (
        <button type="button" className="json-more" onClick={() => setAll(true)}>
          … all {value.length.toLocaleString()}
        </button>
      )}
    </span>
  )
}
