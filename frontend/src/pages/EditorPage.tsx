import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { useLoaderData, useParams, useSearch } from '@tanstack/react-router'
import { ReactFlowProvider } from '@xyflow/react'
import { useMemo } from 'react'

import { nodeTypesQuery, workflowQuery } from '../api/queries'

import { Editor } from './editor/Editor'

/** The loader has opened the document; here it meets the screen. */
export function EditorPage() {
  const { id } = useParams({ from: '/inside/workflows/$id' })
  const { step } = useSearch({ from: '/inside/workflows/$id' })
  const { restoredAt } = useLoaderData({ from: '/inside/workflows/$id' })
  const { data: types } = useSuspenseQuery(nodeTypesQuery)
  const { data: workflow } = useQuery(workflowQuery(id))
  const catalog = useMemo(() => new Map(types.map((type) => [type.type, type])), [types])
  if (!workflow) return null
  return (
    <ReactFlowProvider key={id}>
      <Editor workflow={workflow} types={types} catalog={catalog} restoredAt={restoredAt} step={step} />
    </ReactFlowProvider>
  )
}
