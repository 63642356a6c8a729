import { useSyncExternalStore } from 'react'

let now = Date.now()
const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(tick, 500)
  return () => {
    listeners.delete(listener)
    if (listeners.size) return
    clearInterval(timer)
    timer = undefined
  }
}

function tick(): void {
  now = Date.now()
  listeners.forEach((listener) => listener())
}

const still = () => () => {}

/** The time, twice a second while `ticking`; otherwise as it was when first asked. */
export function useNow(ticking: boolean): number {
  if (!timer) now = Date.now()
  return useSyncExternalStore(ticking ? subscribe : still, () => (ticking ? now : 0)) || Date.now()
}
