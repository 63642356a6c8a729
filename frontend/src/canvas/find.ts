import type { Graph } from '../api/types'

import type { Catalog } from './view'

/** The steps whose name, id, type, parameters or notes hold the text, in the order of the document. */
export function findSteps(graph: Graph, catalog: Catalog, query: string): string[] {
  const wanted = query.trim().toLowerCase()
  if (!wanted) return []
  const texts = graph.nodes.map((node) => {
    const parts = [node.id, node.name, node.type, catalog.get(node.type)?.title, node.notes, values(node.params)]
    return { id: node.id, text: parts.filter(Boolean).join('\n').toLowerCase() }
  })
  return texts.filter(({ text }) => text.includes(wanted)).map(({ id }) => id)
}

/** What a person sees of a parameter: its values, not the quotes and escapes of JSON. */
function values(value: unknown): string {
  if (Array.isArray(value)) return value.map(values).join('\n')
  if (value && typeof value === 'object')
    return Object.entries(value)
      .map(([key, one]) => `${key}\n${values(one)}`)
      .join('\n')
  return value === undefined || value === null ? '' : String(value)
}
