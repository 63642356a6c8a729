const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' })

export const millis = (at: string | number | null | undefined): number | null =>
  typeof at === 'number' ? at : at ? Date.parse(at) : null

export const formatClock = (ms: number): string => clock.format(ms)
export const formatFull = (at: string | null | undefined): string => (at ? full.format(Date.parse(at)) : '')

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

/** "3 min. ago"; anything under a minute is "just now". */
export function formatAgo(at: string | null | undefined, now: number): string {
  if (!at) return ''
  const delta = Date.parse(at) - now
  const unit = steps.find(([, size]) => Math.abs(delta) >= size)
  return unit ? relative.format(Math.round(delta / unit[1]), unit[0]) : 'just now'
}

/** "840 ms", "1.2 s", "2 m 05 s", "3 h 12 m". */
export function formatDuration(ms: number): string {
  if (ms < 0) return '0 ms'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} m`
}
