import { useLoaderData, useParams } from '@tanstack/react-router'
import { useSuspenseQuery } from '@tanstack/react-query'
import { ReactFlowProvider } from '@xyflow/react'
import { useMemo } from 'react'

import { nodeTypesQuery } from '../api/queries'

import { RunView } from './run/RunView'

export function RunPage() {
  const { id } = useParams({ from: '/inside/runs/$id' })
  const { run, graph, ancestors } = useLoaderData({ from: '/inside/runs/$id' })
  const { data: types } = useSuspenseQuery(nodeTypesQuery)
  const catalog = useMemo(() => new Map(types.map((type) => [type.type, type])), [types])
  return (
    <ReactFlowProvider key={id}>
      <RunView run={run} graph={graph} ancestors={ancestors} catalog={catalog} />
    </ReactFlowProvider>
  )
}
