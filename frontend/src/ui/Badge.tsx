import type { Icon } from '@tabler/icons-react'

export type Look = { word: string; icon: Icon; tone: string }

/** A state by icon, word and colour. */
export function Badge({
  state,
  word,
  icon: Shape,
  tone,
  className = '',
}: Look & { state: string; className?: string }) {
  return (
    <span className={`state state-${tone} ${className}`} data-state={state}>
      <Shape size={12} stroke={2.4} aria-hidden /> {word}
    </span>
  )
}
