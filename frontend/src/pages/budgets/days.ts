import type { UsageLine } from '../../api/types'

/** A day of the calendar here: "2026-11-20". */
export function dayOf(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

const before = (today: Date, days: number): Date =>
  new Date(today.getFullYear(), today.getMonth(), today.getDate() - days)

/** The midnight with which the last so many days begin, today among them. */
export const daysFrom = (today: Date, days: number): string => before(today, days - 1).toISOString()

export type DayLine = { day: string; cost: number; turns: number }

/** The last so many days, each with what was spent; also those on which nothing was. */
export function filled(lines: UsageLine[], today: Date, days: number): DayLine[] {
  const known = new Map(lines.map((line) => [line.key, line]))
  return Array.from({ length: days }, (_, at) => {
    const day = dayOf(before(today, days - 1 - at))
    const line = known.get(day)
    return { day, cost: line?.cost_usd ?? 0, turns: line?.turns ?? 0 }
  })
}
