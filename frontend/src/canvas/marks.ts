import { create } from 'zustand'

import type { State } from '../ui/StateBadge'

/** What is drawn on a card besides the document: kept apart, so that a mark redraws one card and not the graph. */
export type Mark = { state: State; line: string; error: string | null }

type Marks = {
  marks: ReadonlyMap<string, Mark>
  /** The connections by which a run has come. */
  taken: ReadonlySet<string>
  problems: ReadonlyMap<string, string[]>
}

export const useMarks = create<Marks>(() => ({ marks: new Map(), taken: new Set(), problems: new Map() }))

export const useMark = (id: string): Mark | undefined => useMarks((state) => state.marks.get(id))
export const useTaken = (edge: string): boolean => useMarks((state) => state.taken.has(edge))
export const useProblems = (id: string): string[] | undefined => useMarks((state) => state.problems.get(id))

const same = (a: Mark | undefined, b: Mark): boolean =>
  a !== undefined && a.state === b.state && a.line === b.line && a.error === b.error

/** Keeps the objects of marks that did not change, which keeps their cards still. */
export function setMarks(next: ReadonlyMap<string, Mark>, taken: ReadonlySet<string>): void {
  const before = useMarks.getState().marks
  useMarks.setState({
    taken,
    marks: new Map([...next].map(([id, mark]) => [id, same(before.get(id), mark) ? before.get(id)! : mark])),
  })
}

export function setProblems(next: ReadonlyMap<string, string[]>): void {
  const before = useMarks.getState().problems
  const keep = ([id, list]: [string, string[]]): [string, string[]] => {
    const old = before.get(id)
    return [id, old && old.join('\n') === list.join('\n') ? old : list]
  }
  useMarks.setState({ problems: new Map([...next].map(keep)) })
}
