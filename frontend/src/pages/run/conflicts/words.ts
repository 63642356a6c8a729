import type { Conflict, ConflictResolution, Take } from '../../../api/types'

const kinds: Record<string, string> = {
  content: 'Both sides changed the same lines',
  add_add: 'Both sides added a file of this name',
  rename: 'A file was given two names, or two files one',
  modify_delete: 'One side changed it, the other deleted it',
  rename_delete: 'One side renamed it, the other deleted it',
  binary: 'No text that could be merged',
  line_endings: 'The sides end their lines differently',
  mode: 'Only one side made it executable',
  submodule: 'A repository of its own',
  symlink: 'A symbolic link',
  directory_file: 'A file where the other side has a folder',
}

export const kindText = (kind: string): string => kinds[kind] ?? kind.replaceAll('_', ' ')

const methods = { auto: 'Rule', model: 'Model', person: 'Person' } as const

/** Who resolved it, in a few words. */
export const byText = ({ method, by }: ConflictResolution): string => `${methods[method]}: ${by.replaceAll('_', ' ')}`

/** The resolution that counts. */
export function takenOf(conflict: Conflict): ConflictResolution | undefined {
  return conflict.resolved ? conflict.resolutions.at(-1) : undefined
}

/** Why the last attempt was not taken. */
export function refusalOf(resolution: ConflictResolution): string {
  const failed = resolution.checks.filter((check) => !check.passed)
  return failed.map(({ check, message }) => (message ? `${check}: ${message}` : check)).join('; ')
}

/** What taking a side means for the file; a side that has none deletes it. */
export function takeText(conflict: Conflict, take: Take): string {
  if (take === 'delete') return 'Delete the file'
  const there = take === 'ours' ? conflict.ours : conflict.theirs
  if (there) return take === 'ours' ? 'Take the target’s' : 'Take the commit’s'
  return take === 'ours' ? 'Delete, as the target did' : 'Delete, as the commit did'
}

/** The sides that can be chosen: what would be the same twice is offered once. */
export function takesOf(conflict: Conflict): Take[] {
  const all: Take[] = ['ours', 'theirs']
  return conflict.ours && conflict.theirs ? [...all, 'delete'] : all
}

/** Whether a person may write the file anew. */
export function editable(conflict: Conflict): boolean {
  const isFile = (side: Conflict['ours']) => side?.mode.startsWith('100') === true && side.text !== null
  return (
    !['binary', 'submodule', 'symlink'].includes(conflict.kind) && (isFile(conflict.ours) || isFile(conflict.theirs))
  )
}
