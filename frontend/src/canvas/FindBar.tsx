import { ActionIcon, TextInput } from '@mantine/core'
import { IconChevronDown, IconChevronUp, IconSearch, IconX } from '@tabler/icons-react'
import { useMemo, useState, type KeyboardEvent } from 'react'

import type { Graph } from '../api/types'

import { findSteps } from './find'
import type { Catalog } from './view'

type Props = { graph: Graph; catalog: Catalog; onShow: (id: string) => void; onClose: () => void }

/** Finds steps by anything that is written in them; Enter goes to the next one. */
export function FindBar({ graph, catalog, onShow, onClose }: Props) {
  const [query, setQuery] = useState('')
  const [at, setAt] = useState(-1)
  const found = useMemo(() => findSteps(graph, catalog, query), [graph, catalog, query])
  const go = (step: number) => {
    if (!found.length) return
    const next = (at + step + found.length) % found.length
    setAt(next)
    onShow(found[next] as string)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') go(event.shiftKey ? -1 : 1)
    if (event.key === 'Escape') onClose()
  }
  const place = query.trim() === '' ? '' : found.length ? `${at < 0 ? '' : `${at + 1} of `}${found.length}` : 'none'
  return (
    <div className="find-bar" role="search" onKeyDown={onKeyDown}>
      <TextInput
        autoFocus
        aria-label="Find in this workflow"
        placeholder="Find in names, parameters, notes"
        leftSection={<IconSearch size={15} />}
        rightSection={<span className="find-count num">{place}</span>}
        rightSectionWidth={64}
        value={query}
        onChange={({ currentTarget }) => {
          setQuery(currentTarget.value)
          setAt(-1)
        }}
      />
      <ActionIcon aria-label="Previous" disabled={!found.length} onClick={() => go(-1)}>
        <IconChevronUp size={16} />
      </ActionIcon>
      <ActionIcon aria-label="Next" disabled={!found.length} onClick={() => go(1)}>
        <IconChevronDown size={16} />
      </ActionIcon>
      <ActionIcon aria-label="Close find" onClick={onClose}>
        <IconX size={16} />
      </ActionIcon>
    </div>
  )
}
