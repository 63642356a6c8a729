import { ActionIcon, Tooltip } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { IconCheck, IconCopy } from '@tabler/icons-react'

import './copyline.css'

/** A text that is there to be taken elsewhere: an address, a line for a terminal. */
export function CopyLine({ label, value, wrap = false }: { label: string; value: string; wrap?: boolean }) {
  const { copy, copied } = useClipboard()
  return (
    <div className="copy-line">
      <span className="copy-label">{label}</span>
      <div className="copy-box">
        <div className={wrap ? 'copy-value is-wrapped' : 'copy-value'} role="group" aria-label={label} tabIndex={0}>
          <code>{value}</code>
        </div>
        <Tooltip label={copied ? 'Copied' : 'Copy'}>
          <ActionIcon size={28} aria-label={`Copy ${label.toLowerCase()}`} onClick={() => copy(value)}>
            {copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
          </ActionIcon>
        </Tooltip>
      </div>
    </div>
  )
}
