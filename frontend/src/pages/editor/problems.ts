import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'

import { validateGraph } from '../../api/queries'
import type { Graph, Problem } from '../../api/types'
import { problemsAt, type Where } from '../../canvas/body'
import { setProblems } from '../../canvas/marks'
import { useEditor } from '../../canvas/store'

const numbers = new WeakMap<Graph, number>()
let last = 0

/** Documents are immutable, so each has one number; a key for the query without its thousands of nodes. */
function revisionOf(graph: Graph): number {
  const known = numbers.get(graph)
  if (known !== undefined) return known
  numbers.set(graph, (last += 1))
  return last
}

const none: Problem[] = []

/** What the server says about the document on screen, asked again a moment after each edit. */
export function useValidation(): { problems: Problem[]; known: boolean } {
  const graph = useEditor((state) => state.history.present)
  const [settled] = useDebouncedValue(graph, 350)
  const { data, error } = useQuery({
    queryKey: ['validate', revisionOf(settled)],
    queryFn: async ({ signal }) => {
      const { problems } = await validateGraph(settled, signal)
      return problems
    },
    placeholderData: keepPreviousData,
    staleTime: 0,
    gcTime: 0,
    refetchOnWindowFocus: false,
  })
  return { problems: data ?? none, known: data !== undefined && !error }
}

/** Marks the steps on the canvas that problems speak of. */
export function useProblemMarks(problems: Problem[], where: Where): void {
  useEffect(() => void setProblems(byNode(problemsAt(problems, where))), [problems, where])
}

function byNode(problems: Problem[]): Map<string, string[]> {
  const map = new Map<string, string[]>()
  for (const { node_id, message } of problems) {
    if (!node_id) continue
    map.set(node_id, [...(map.get(node_id) ?? []), message])
  }
  return map
}
