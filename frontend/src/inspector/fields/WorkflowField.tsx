import { Select } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { workflowsQuery } from '../../api/queries'

import { frameProps } from './FieldFrame'
import { TemplateToggle } from './TemplateToggle'
import type { FieldProps } from './types'

/** Another workflow, found by its name. One that the document calls by name is found as well as one called by id. */
export function WorkflowField(props: FieldProps) {
  const { value, path, onChange, required } = props
  const [query, setQuery] = useState('')
  const [q] = useDebouncedValue(query, 200)
  const { data, isFetching } = useInfiniteQuery(workflowsQuery(q ? { q } : {}))
  const all = data?.pages.flatMap((page) => page.items) ?? []
  const current = typeof value === 'string' ? value : null
  const chosen = all.find((one) => one.id === current) ?? all.find((one) => one.name === current)
  const options = all.map((one) => ({ value: one.id, label: one.name }))
  if (current !== null && !chosen) options.unshift({ value: current, label: current })
  return (
    <TemplateToggle {...props}>
      {(toggle) => (
        <Select
          {...frameProps(props)}
          data={options}
          value={chosen?.id ?? current}
          onChange={(next) => onChange?.(next ?? undefined, path)}
          searchable
          // The server has found them; what is chosen stays in the list whatever is typed.
          filter={({ options: offered }) => offered}
          onSearchChange={(text) => setQuery(options.some(({ label }) => label === text) ? '' : text)}
          nothingFoundMessage={isFetching ? 'Looking…' : 'No workflow has this name'}
          placeholder="Find by name"
          clearable={!required && current !== null}
          allowDeselect={false}
          rightSection={current === null ? toggle : undefined}
          comboboxProps={{ withinPortal: true }}
        />
      )}
    </TemplateToggle>
  )
}
