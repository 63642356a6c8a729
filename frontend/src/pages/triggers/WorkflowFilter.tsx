import { Select } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { workflowQuery, workflowsQuery } from '../../api/queries'

type Props = {
  value: string | undefined
  onChange: (workflowId: string | undefined) => void
  /** What is said when none is chosen. */
  all?: string
}

/** Narrows a list to one workflow, found by its name. */
export function WorkflowFilter({ value, onChange, all = 'Any workflow' }: Props) {
  const [query, setQuery] = useState('')
  const [q] = useDebouncedValue(query, 200)
  const { data } = useInfiniteQuery(workflowsQuery(q ? { q } : {}))
  const chosen = useQuery({ ...workflowQuery(value ?? ''), enabled: value !== undefined })
  const options = (data?.pages.flatMap((page) => page.items) ?? []).map(({ id, name }) => ({ value: id, label: name }))
  if (value !== undefined && !options.some((one) => one.value === value))
    options.unshift({ value, label: chosen.data?.name ?? value })
  return (
    <Select
      aria-label="Workflow"
      placeholder={all}
      w={220}
      searchable
      clearable
      data={options}
      value={value ?? null}
      onChange={(next) => onChange(next ?? undefined)}
      // The server has found them.
      filter={({ options: offered }) => offered}
      onSearchChange={(text) => setQuery(options.some(({ label }) => label === text) ? '' : text)}
      nothingFoundMessage="No workflow has this name"
      comboboxProps={{ withinPortal: true }}
    />
  )
}
