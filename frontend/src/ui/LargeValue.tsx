import { Button } from '@mantine/core'
import { createContext, useContext, useState, type ReactNode } from 'react'

import type { Value } from './value'

/** What stands in the place of a value that is too large to be sent with the rest. */
export type Large = { $blob: string; size: number; preview?: string }

/** Fetches the text of such a value by its key; the page that knows whose value it is provides it. */
export const WholeValues = createContext<((key: string) => Promise<string>) | null>(null)

export const isLarge = (value: unknown): value is Large =>
  typeof value === 'object' &&
  value !== null &&
  '$blob' in value &&
  typeof value.$blob === 'string' &&
  'size' in value &&
  typeof value.size === 'number'

/** Beyond this a value is saved to a file rather than drawn. */
const drawable = 20_000_000

/** The beginning of a large value, and the whole of it when it is asked for. */
export function LargeValue({ at, show }: { at: Large; show: (whole: Value) => ReactNode }) {
  const fetchWhole = useContext(WholeValues)
  const [whole, setWhole] = useState<string | null>(null)
  const [state, setState] = useState<'closed' | 'loading' | 'open'>('closed')
  const [trouble, setTrouble] = useState<string | null>(null)
  const load = async (then: (text: string) => void) => {
    setState((before) => (before === 'open' ? before : 'loading'))
    setTrouble(null)
    try {
      const text = whole ?? (await fetchWhole?.(at.$blob)) ?? ''
      setWhole(text)
      then(text)
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error))
      setState('closed')
    }
  }
  const open = () => void load(() => setState('open'))
  const save = () => void load((text) => (download(text), setState((now) => (now === 'loading' ? 'closed' : now))))
  return (
    <div className="large">
      <div className="large-head">
        <span className="dim">{formatBytes(at.size)}</span>
        {fetchWhole && state !== 'open' && at.size <= drawable && (
          <Button variant="default" size="compact-xs" loading={state === 'loading'} onClick={open}>
            Open whole value
          </Button>
        )}
        {state === 'open' && (
          <Button variant="default" size="compact-xs" onClick={() => setState('closed')}>
            Show the beginning only
          </Button>
        )}
        {fetchWhole && (
          <Button variant="subtle" size="compact-xs" onClick={save}>
            Save as file
          </Button>
        )}
      </div>
      {trouble && <p className="large-trouble">{trouble}</p>}
      {state === 'open' && whole !== null ? (
        show(parsed(whole))
      ) : (
        <pre className="large-preview">{at.preview ?? ''}…</pre>
      )}
    </div>
  )
}

function parsed(text: string): Value {
  try {
    return JSON.parse(text) as Value
  } catch {
    return text
  }
}

function download(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = 'value.json'
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 1_000)
}

const units = ['bytes', 'kB', 'MB', 'GB']

/** "812 bytes", "12.4 kB". */
export function formatBytes(size: number): string {
  const step = size < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(size) / 3))
  const value = size / 1000 ** step
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[step]}`
}
