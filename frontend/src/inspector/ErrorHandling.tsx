import type { GraphNode, Problem, Schema } from '../api/types'

import { FoldedFields, type NodeChange } from './FoldedFields'

/** A day: the server takes no longer wait. */
const longestWait = 86_400_000

// What every step may have, written as a schema so that the same form draws it.
const schema: Schema = {
  type: 'object',
  properties: {
    on_error: {
      title: 'When it fails for good',
      description: 'A connection from the error port, the red one below the card, comes before this.',
      default: 'fail',
      oneOf: [
        { const: 'fail', title: 'Fail the run' },
        { const: 'continue', title: 'Continue with null' },
      ],
    },
    timeout_s: {
      title: 'Timeout (seconds)',
      description: 'For one attempt. A shorter limit of the step itself still counts.',
      type: 'integer',
      minimum: 1,
    },
    retry: {
      title: 'Retry',
      description:
        'Repeats a failure that may pass: a lost connection, a busy server, a timeout, a command that exits with an error. One that would come back the same, such as a refused password or a script that fails, is repeated only when its code is named here.',
      type: 'object',
      properties: {
        max_attempts: { title: 'Attempts in all', type: 'integer', minimum: 1, maximum: 100, 'x-placeholder': '1' },
        backoff: {
          title: 'Wait between them',
          default: 'exponential',
          oneOf: [
            { const: 'exponential', title: 'Twice as long each time' },
            { const: 'linear', title: 'Longer by the same each time' },
          ],
        },
        initial_ms: {
          title: 'First wait (milliseconds)',
          description:
            'Up to half of a wait is left out by chance, so that runs which failed together come back apart.',
          type: 'integer',
          minimum: 0,
          maximum: longestWait,
          'x-placeholder': '1000',
        },
        max_ms: {
          title: 'Longest wait (milliseconds)',
          description: 'A server that asks for more time gets it, up to a day.',
          type: 'integer',
          minimum: 0,
          maximum: longestWait,
          'x-placeholder': '30000',
        },
        codes: {
          title: 'Only after these error codes',
          description:
            'Such as `NETWORK_ERROR`; a failed step shows its own. With none, after every failure that may pass.',
          type: 'array',
          items: { type: 'string' },
        },
      },
    },
  },
}

type Props = { node: GraphNode; problems: Problem[]; onChange?: NodeChange }

export function ErrorHandling({ node, problems, onChange }: Props) {
  return (
    <FoldedFields
      title="Error handling"
      summary={summary(node)}
      schema={schema}
      node={node}
      problems={problems}
      label="Change error handling"
      onChange={onChange}
    />
  )
}

function summary({ retry, timeout_s, on_error }: GraphNode): string {
  const parts = [
    (retry?.max_attempts ?? 1) > 1 && `${retry?.max_attempts} attempts`,
    timeout_s !== undefined && `${timeout_s} s`,
    on_error === 'continue' && 'continues',
  ]
  return parts.filter(Boolean).join(', ')
}
