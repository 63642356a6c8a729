import { TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useState, type KeyboardEvent, type Ref } from 'react'

import type { NodeType } from '../api/types'
import { NodeIcon } from '../ui/NodeIcon'

import { dragType } from './Canvas'

type Props = {
  types: NodeType[]
  /** What the next step is added for, such as the step that it will follow. */
  hint: string | null
  onAdd: (type: NodeType) => void
  searchRef: Ref<HTMLInputElement>
}

const groupTitles: Record<string, string> = {
  triggers: 'Triggers',
  data: 'Data',
  wait: 'Wait',
  effects: 'Effects',
  git: 'Git',
  agent: 'Agent',
}

/** Every kind of step, grouped: drag one to the canvas, or click it to put it behind the selected step. */
export function Palette({ types, hint, onAdd, searchRef }: Props) {
  const [query, setQuery] = useState('')
  const found = types.filter((type) => matches(type, query))
  const groups = [...new Set(found.map((type) => type.group))]
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const [first] = found
    if (event.key === 'Enter' && first) {
      onAdd(first)
      setQuery('')
    }
    if (event.key === 'Escape') event.currentTarget.blur()
  }
  return (
    <aside className="palette" aria-label="Steps to add">
      <div className="palette-search">
        <TextInput
          ref={searchRef}
          aria-label="Find a step"
          placeholder="Find a step"
          leftSection={<IconSearch size={15} />}
          value={query}
          onChange={({ currentTarget }) => setQuery(currentTarget.value)}
          onKeyDown={onKeyDown}
        />
      </div>
      {hint && (
        <p className="palette-hint" role="status">
          {hint}
        </p>
      )}
      <div className="palette-list">
        {groups.map((group) => (
          <section key={group}>
            <h2 className="palette-group">{groupTitles[group] ?? group}</h2>
            {found
              .filter((type) => type.group === group)
              .map((type) => (
                <Item key={type.type} type={type} onAdd={onAdd} />
              ))}
          </section>
        ))}
        {found.length === 0 && <p className="palette-none">No step is called “{query}”.</p>}
      </div>
    </aside>
  )
}

function Item({ type, onAdd }: { type: NodeType; onAdd: (type: NodeType) => void }) {
  return (
    <button
      type="button"
      className="palette-item"
      draggable
      title={type.description}
      data-type={type.type}
      onClick={() => onAdd(type)}
      onDragStart={({ dataTransfer }) => {
        dataTransfer.setData(dragType, type.type)
        dataTransfer.effectAllowed = 'copy'
      }}
    >
      <span className="palette-icon">
        <NodeIcon name={type.icon} size={16} />
      </span>
      <span className="clip">{type.title}</span>
    </button>
  )
}

function matches(type: NodeType, query: string): boolean {
  const text = `${type.title} ${type.type} ${type.description}`.toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}
