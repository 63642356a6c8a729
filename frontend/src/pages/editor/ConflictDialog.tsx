import { Button, Group, Modal } from '@mantine/core'

import type { Version } from '../../api/types'
import { compare, describe } from '../../canvas/compare'
import { openDocument, undo, useEditor } from '../../canvas/store'
import { formatFull } from '../../util/time'

import type { Saving } from './saving'

/** Two people saved from the same version. Nothing has been overwritten; the author decides what becomes of theirs. */
export function ConflictDialog({ id, theirs, saving }: { id: string; theirs: Version; saving: Saving }) {
  const mine = useEditor((state) => state.history.present)
  const base = useEditor((state) => state.base)
  const takeTheirs = () => {
    // Mine stays one redo away.
    openDocument(id, theirs.version, theirs.graph, mine)
    undo()
    saving.dismissConflict()
  }
  return (
    <Modal opened onClose={saving.dismissConflict} title="Somebody saved before you" size="lg">
      <div className="form">
        <p>
          You edited version {base}; version {theirs.version} was saved at {formatFull(theirs.created_at)}. Nothing is
          overwritten. Between theirs and yours:
        </p>
        <ul className="differences">
          {describe(compare(theirs.graph, mine)).map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={saving.dismissConflict}>
            Keep editing
          </Button>
          <Button variant="default" onClick={takeTheirs}>
            Take version {theirs.version}
          </Button>
          <Button loading={saving.isSaving} onClick={() => void saving.save(theirs.version).catch(() => {})}>
            Save mine as version {theirs.version + 1}
          </Button>
        </Group>
      </div>
    </Modal>
  )
}
