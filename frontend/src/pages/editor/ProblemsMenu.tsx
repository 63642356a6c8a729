import { Button, Popover } from '@mantine/core'
import { IconAlertTriangle, IconCircleCheck } from '@tabler/icons-react'
import { useState } from 'react'

import type { Problem } from '../../api/types'
import { Prose } from '../../ui/Prose'

type Props = { problems: Problem[]; onShow: (problem: Problem) => void }

/** Everything that keeps the document from running; a click leads to the step and its field. */
export function ProblemsMenu({ problems, onShow }: Props) {
  const [open, setOpen] = useState(false)
  const count = problems.length
  const show = (problem: Problem) => {
    setOpen(false)
    onShow(problem)
  }
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" width={360} shadow="md" trapFocus>
      <Popover.Target>
        <Button
          variant="subtle"
          color="gray"
          aria-label={count ? `${count} problems` : 'No problems'}
          leftSection={count ? <IconAlertTriangle size={16} /> : <IconCircleCheck size={16} />}
          className={count ? 'problems-button has-some' : 'problems-button'}
          onClick={() => setOpen(!open)}
        >
          {count || ''}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={6}>
        {count === 0 && <p className="problems-none">No problems: this can run.</p>}
        <ul className="problems">
          {problems.slice(0, 200).map((problem, index) => (
            <li key={index}>
              <button type="button" onClick={() => show(problem)}>
                <span>
                  <Prose text={problem.message} />
                </span>
                <small className="mono">
                  {[problem.node_id, problem.field].filter(Boolean).join(' · ') || problem.code}
                </small>
              </button>
            </li>
          ))}
        </ul>
        {count > 200 && <p className="problems-none">And {count - 200} more.</p>}
      </Popover.Dropdown>
    </Popover>
  )
}
