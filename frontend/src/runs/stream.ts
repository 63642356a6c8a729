import { useSyncExternalStore } from 'react'

import { watchRun, type Connection } from '../api/events'
import type { RunEvent } from '../api/types'

import { emptyRun, foldEvents, type RunView } from './fold'

export type LiveRun = { view: RunView; connection: Connection }

type Source = { subscribe: (listener: () => void) => () => void; get: () => LiveRun }

/** A run of so many attempts is drawn less often: each time costs in proportion to its size. */
const large = 2000

const sources = new Map<string, Source>()

/** The run as its events tell it, live while a component looks at it. */
export function useLiveRun(id: string): LiveRun {
  const source = sources.get(id) ?? remember(id)
  return useSyncExternalStore(source.subscribe, source.get)
}

function remember(id: string): Source {
  const source = createSource(id)
  sources.set(id, source)
  return source
}

/** The stream runs while there is a listener, and what it folded is dropped with the last one. */
function createSource(id: string): Source {
  const listeners = new Set<() => void>()
  let state: LiveRun = { view: emptyRun, connection: 'connecting' }
  let stop: AbortController | null = null
  let queue: RunEvent[] = []

  const publish = (next: Partial<LiveRun>) => {
    state = { ...state, ...next }
    listeners.forEach((listener) => listener())
  }
  // A replay of thousands of events costs one render per frame, not one per event.
  const flush = () => {
    const events = queue
    queue = []
    if (events.length && listeners.size) publish({ view: foldEvents(state.view, events) })
  }
  const start = () => {
    stop = new AbortController()
    void watchRun(id, {
      signal: stop.signal,
      onConnection: (connection) => connection !== state.connection && publish({ connection }),
      onEvents: (events) => {
        if (!queue.length) setTimeout(flush, state.view.attempts.size > large ? 250 : 30)
        queue.push(...events)
      },
    })
  }
  const close = () => {
    stop?.abort()
    stop = null
    queue = []
    state = { view: emptyRun, connection: 'connecting' }
    sources.delete(id)
  }
  return {
    get: () => state,
    subscribe: (listener) => {
      listeners.add(listener)
      if (!stop) start()
      return () => {
        listeners.delete(listener)
        // React unsubscribes and subscribes again in one go; only a lasting absence closes the stream.
        setTimeout(() => !listeners.size && close(), 200)
      }
    },
  }
}
