import { Kbd, Modal } from '@mantine/core'

import { actions, type Action } from '../../canvas/actions'
import { useEditor } from '../../canvas/store'

const mod = navigator.platform.startsWith('Mac') ? '⌘' : 'Ctrl'

// What the canvas and the clipboard know without being in the table.
const fixed: [string, string[]][] = [
  ['Copy, cut, paste as JSON', ['mod+c', 'mod+x', 'mod+v']],
  ['Move the chosen steps', ['arrow keys']],
  ['Choose several', ['shift+drag', 'mod+click']],
]

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const state = useEditor.getState()
  const own = Object.values<Action>(actions).map((action): [string, string[]] => [
    action.label(state).trim(),
    action.keys,
  ])
  return (
    <Modal opened onClose={onClose} title="Shortcuts">
      <table className="keys">
        <tbody>
          {[...own, ...fixed].map(([label, keys]) => (
            <tr key={label}>
              <td>{label}</td>
              <td>
                {keys.map((key) => (
                  <Kbd key={key} ml={4}>
                    {key.replace('mod', mod)}
                  </Kbd>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Modal>
  )
}
