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

/** "in 42 s", "in 3 min."; "now" when the time has come. */
export function formatUntil(at: string, now: number): string {
  const left = Date.parse(at) - now
  if (left <= 0) return 'now'
  return left < 60_000 ? `in ${Math.ceil(left / 1000)} s` : formatAgo(at, now)
}

const wall: Intl.DateTimeFormatOptions = {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
}

/** Whether a time has seconds to be told; those that stand in one list tell them all or not at all. */
export const hasSeconds = (at: string): boolean => Math.floor(Date.parse(at) / 1000) % 60 !== 0

/** "Fri, 20 Nov 2026, 09:00" */
function formatWall(ms: number, timeZone: string, seconds: boolean): string {
  const second = seconds ? ({ second: '2-digit' } as const) : {}
  return new Intl.DateTimeFormat('en-GB', { ...wall, ...second, timeZone }).format(ms)
}

/** What the clock of a zone shows at an instant. A zone that the browser does not know is told in UTC. */
export function formatInZone(at: string, timeZone: string, seconds = hasSeconds(at)): string {
  try {
    return formatWall(Date.parse(at), timeZone, seconds)
  } catch {
    return `${formatWall(Date.parse(at), 'UTC', seconds)} UTC`
  }
}

/** What a clock shows, of a time that carries its own offset: "2026-03-29T03:00:00+02:00" is 03:00, and "+02:00". */
export function splitLocal(local: string, seconds = hasSeconds(local)): { text: string; offset: string } {
  const [, time = local, offset = ''] = /^(.*?)(Z|[+-]\d\d:\d\d)$/.exec(local) ?? []
  return { text: formatWall(Date.parse(`${time}Z`), 'UTC', seconds), offset: offset === 'Z' ? 'UTC' : offset }
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
