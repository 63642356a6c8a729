import type { Graph } from '../api/types'

import { bodyOf, bodyParam } from './body'
import type { Catalog } from './view'

/**
 * The steps whose name, id, type, parameters or notes hold the text, in the order of the document. A step inside
 * another is named by the way to it, such as `each/inner`.
 */
export function findSteps(graph: Graph, catalog: Catalog, query: string): string[] {
  const wanted = query.trim().toLowerCase()
  return wanted === '' ? [] : search(graph, catalog, wanted, '')
}

function search(graph: Graph, catalog: Catalog, wanted: string, around: string): string[] {
  return graph.nodes.flatMap((node) => {
    const type = catalog.get(node.type)
    const param = bodyParam(type)
    // What stands inside is found there, not at the step around it.
    const own = Object.entries(node.params ?? {}).filter(([name]) => name !== param)
    const parts = [node.id, node.name, node.type, type?.title, node.notes, values(Object.fromEntries(own))]
    const found = parts.filter(Boolean).join('\n').toLowerCase().includes(wanted)
    const inner = param === null ? [] : search(bodyOf(node, param), catalog, wanted, `${around}${node.id}/`)
    return found ? [around + node.id, ...inner] : inner
  })
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
