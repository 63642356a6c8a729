import { IconChevronRight, IconStack2 } from '@tabler/icons-react'

import { graphAt } from '../../canvas/body'
import { emptyGraph, nodeById, titleOf } from '../../canvas/graph'
import { goTo, useEditor } from '../../canvas/store'

/** Which graph of the workflow is on the canvas, and the way back out of it. */
export function BodyTrail({ name }: { name: string }) {
  const where = useEditor((state) => state.where)
  const document = useEditor((state) => state.history.present)
  const titles = where.map(({ id }, depth) => {
    const node = nodeById(graphAt(document, where.slice(0, depth)) ?? emptyGraph, id)
    return node ? titleOf(node) : id
  })
  return (
    <nav className="trail" aria-label="Where you are">
      <IconStack2 size={16} aria-hidden />
      {[name, ...titles].map((title, depth) => (
        <span className="trail-part" key={depth}>
          {depth > 0 && <IconChevronRight size={14} aria-hidden />}
          {depth < where.length ? (
            <button type="button" className="trail-link clip" onClick={() => goTo(where.slice(0, depth))}>
              {title}
            </button>
          ) : (
            <strong className="clip" aria-current="location">
              {title}
            </strong>
          )}
        </span>
      ))}
      <span className="grow" />
      <span className="dim clip wide-only">
        These steps run once for each item; they read it as <code>item</code>, its number as <code>index</code>.
      </span>
    </nav>
  )
}
