import type { Concurrency as Limit, GraphNode, Json, Problem, Schema } from '../api/types'

import { FoldedFields, type NodeChange } from './FoldedFields'

/** How many at a time; `of` says of what, `scope` what a key tells apart. */
export const concurrencySchema = (of: string, scope: string): Schema => ({
  title: 'At a time',
  description: `How many ${of} may be under way at once; the others wait in line.`,
  type: 'object',
  properties: {
    limit: { title: 'At most', type: 'integer', minimum: 1, 'x-placeholder': 'No limit' },
    key: {
      title: 'Counted per',
      description: `Such as \`{{ trigger.customer }}\`: those with the same value share the limit. ${scope}`,
      type: 'string',
      'x-widget': 'template',
    },
  },
})

/** A key means nothing without a limit: the first key brings one, and a limit that is taken away takes its key along. */
export function settled<T extends Json | Limit>(before: T | undefined, next: T | undefined): T | undefined {
  if (!isObject(next) || next.limit !== undefined) return next
  return isObject(before) && before.limit !== undefined ? undefined : { ...next, limit: 1 }
}

const isObject = (value: unknown): value is Limit & object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const schema: Schema = {
  type: 'object',
  properties: {
    concurrency: concurrencySchema('of this step, over all runs,', 'Without it all share one.'),
  },
}

type Props = { node: GraphNode; problems: Problem[]; onChange?: NodeChange }

/** A limit on how often a step is under way at once, over all runs. */
export function Concurrency({ node, problems, onChange }: Props) {
  const { limit, key } = node.concurrency ?? {}
  const summary = limit === undefined ? '' : `at most ${limit}${key ? ' per key' : ''}`
  return (
    <FoldedFields
      title="Concurrency"
      summary={summary}
      schema={schema}
      node={node}
      problems={problems}
      label="Change concurrency"
      onChange={
        onChange &&
        ((patch, label, path) =>
          onChange({ ...patch, concurrency: settled(node.concurrency, patch.concurrency) }, label, path))
      }
    />
  )
}
