import type { ReactNode } from 'react'

/** A message that stays where it happened. */
export function Notice({ tone = 'failed', children }: { tone?: 'failed' | 'waiting' | 'idle'; children: ReactNode }) {
  return (
    <div className="notice" data-tone={tone} role={tone === 'failed' ? 'alert' : 'status'}>
      {children}
    </div>
  )
}
