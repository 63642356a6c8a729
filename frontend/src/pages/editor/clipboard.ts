import { notifications } from '@mantine/notifications'

import { isTyping } from '../../canvas/actions'
import { copyText, pasteText } from '../../canvas/clipboard'
import { removeChosen, reservedIds } from '../../canvas/edits'
import { change, currentGraph, select, useEditor } from '../../canvas/store'

// Copy and paste go by the browser's own clipboard events, which need no permission.

export function onCopy(event: ClipboardEvent): void {
  const { nodes } = useEditor.getState().selection
  if (!nodes.size || isTyping(event.target) || !event.clipboardData) return
  event.clipboardData.setData('text/plain', copyText(currentGraph(), nodes))
  event.preventDefault()
  if (event.type === 'cut') removeChosen()
}

export function onPaste(event: ClipboardEvent): void {
  const text = event.clipboardData?.getData('text/plain') ?? ''
  if (isTyping(event.target) || text.trim() === '') return
  event.preventDefault()
  const pasted = pasteText(currentGraph(), text, { x: 48, y: 48 }, reservedIds())
  if (!pasted)
    return void notifications.show({
      color: 'red',
      title: 'Nothing was pasted',
      message: 'The clipboard does not hold steps. Copy some steps first.',
    })
  change(pasted.ids.length === 1 ? 'Paste step' : `Paste ${pasted.ids.length} steps`, () => pasted.graph)
  select(pasted.ids)
}
