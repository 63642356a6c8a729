import { Collapse, UnstyledButton } from '@mantine/core'
import { IconChevronRight } from '@tabler/icons-react'
import { useState } from 'react'

import type { GraphNode, JsonObject, Problem, Schema } from '../api/types'

import { SchemaForm } from './SchemaForm'

export type NodeChange = (patch: Partial<GraphNode>, label: string, path: string) => void

type Props = {
  title: string
  /** What is set, shown while the fields are folded away. */
  summary: string
  /** Speaks of fields of the node itself, not of its parameters. */
  schema: Schema
  node: GraphNode
  problems: Problem[]
  label: string
  onChange?: NodeChange
}

/** Fields that every step may have and few need. A problem in one of them unfolds them. */
export function FoldedFields({ title, summary, schema, node, problems, label, onChange }: Props) {
  const fields = Object.keys(schema.properties ?? {})
  const own = problems.filter(({ field }) => fields.some((name) => field?.replace(/^\//, '').startsWith(name)))
  const [open, setOpen] = useState(false)
  const shown = open || own.length > 0
  const value = Object.fromEntries(
    fields.flatMap((name) => {
      const entry = node[name as keyof GraphNode]
      return entry === undefined ? [] : [[name, entry]]
    }),
  ) as JsonObject
  const set = (next: JsonObject, path: string) => {
    const cleared = Object.fromEntries(fields.map((name) => [name, undefined]))
    onChange?.({ ...cleared, ...next } as Partial<GraphNode>, label, path)
  }
  return (
    <section>
      <UnstyledButton className="section-head" aria-expanded={shown} onClick={() => setOpen(!shown)}>
        <IconChevronRight size={15} className={shown ? 'is-open' : undefined} aria-hidden />
        <span className="grow">{title}</span>
        <span className="dim clip">{summary}</span>
      </UnstyledButton>
      <Collapse expanded={shown}>
        <SchemaForm root="$" schema={schema} value={value} problems={own.map(atRoot)} onChange={onChange && set} />
      </Collapse>
    </section>
  )
}

/** These fields lie in the node itself; the form's root stands for it. */
const atRoot = (problem: Problem): Problem => ({ ...problem, field: `$.${problem.field?.replace(/^\//, '')}` })
