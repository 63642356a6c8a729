import { useMemo } from 'react'

import type { GraphNode, JsonObject, NodeType, Problem, Schema } from '../api/types'

import { Body, forWorkflow, type BodyProps } from './Body'
import { TakesTemplates } from './fields/takesTemplates'
import { SchemaForm } from './SchemaForm'
import { withPorts } from './schema'

type Props = {
  node: GraphNode
  type: NodeType
  problems: Problem[]
  body: BodyProps | undefined
  onChange?: (params: JsonObject, path: string) => void
}

/** A step's parameters: a form from its schema, with the graph that it holds in the place of its parameter. */
export function Params({ node, type, problems, body, onChange }: Props) {
  const value = useMemo(() => node.params ?? {}, [node.params])
  const schema = useMemo(() => {
    const from = type.ports_from
    return from ? withPorts(type.params_schema, from, takenBy(type, value[from])) : type.params_schema
  }, [type, value])
  const form = (part: Schema) => (
    <SchemaForm root="params" schema={part} value={value} problems={problems} onChange={onChange} />
  )
  if (type.trigger) return <TakesTemplates.Provider value={false}>{form(schema)}</TakesTemplates.Provider>
  if (!body) return form(schema)
  const [before, after] = around(schema, body.param)
  return (
    <>
      {form(before)}
      <Body {...body} schema={schema} value={value} problems={problems} onChange={onChange} />
      {form(after)}
    </>
  )
}

const takenBy = (type: NodeType, entries: unknown): string[] => [
  ...type.ports,
  'error',
  ...(Array.isArray(entries) ? entries.map((entry: { port?: string } | null) => entry?.port ?? '') : []),
]

/** The form before and after the graph; what may be chosen instead of the graph is drawn with it. */
function around(schema: Schema, param: string): [Schema, Schema] {
  const entries = Object.entries(schema.properties ?? {})
  const at = entries.findIndex(([name]) => name === param)
  const rest = (part: typeof entries): Schema => ({
    ...schema,
    properties: Object.fromEntries(part.filter(([name]) => name !== param && !forWorkflow.includes(name))),
  })
  return [rest(entries.slice(0, at)), rest(entries.slice(at))]
}
