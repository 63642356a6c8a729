import { removeChosen, selectAll, tidy } from './edits'
import { redoLabel, undoLabel } from './history'
import { isDirty, redo, select, shownGraph, undo, useEditor } from './store'

type EditorState = ReturnType<typeof useEditor.getState>

/** What an action may ask of the page around the canvas. */
export type Surroundings = {
  save: () => void
  run: () => void
  fit: () => void
  focusPalette: () => void
  find: () => void
  /** Opens the chosen step's own graph. */
  enter: () => void
  /** Shows the graph around the one on the canvas. */
  leave: () => void
  showKeys: () => void
}

/** An action is a value: the keyboard, the buttons and the list of shortcuts all read the same table. */
export type Action = {
  id: string
  label: (state: EditorState) => string
  keys: string[]
  /** Works while a text field has the focus. */
  inText?: boolean
  enabled: (state: EditorState) => boolean
  perform: (around: Surroundings) => void
}

const always = () => true
const hasSelection = ({ selection }: EditorState) => selection.nodes.size + selection.edges.size > 0
const hasNodes = (state: EditorState) => shownGraph(state).nodes.length > 0

export const actions = {
  save: {
    id: 'save',
    label: () => 'Save a version',
    keys: ['mod+s'],
    inText: true,
    enabled: isDirty,
    perform: (around) => around.save(),
  },
  run: {
    id: 'run',
    label: () => 'Run',
    keys: ['mod+enter'],
    inText: true,
    enabled: hasNodes,
    perform: (around) => around.run(),
  },
  undo: {
    id: 'undo',
    label: ({ history }) => `Undo ${lower(undoLabel(history))}`,
    keys: ['mod+z'],
    enabled: ({ history }) => undoLabel(history) !== null,
    perform: undo,
  },
  redo: {
    id: 'redo',
    label: ({ history }) => `Redo ${lower(redoLabel(history))}`,
    keys: ['mod+shift+z', 'mod+y'],
    enabled: ({ history }) => redoLabel(history) !== null,
    perform: redo,
  },
  remove: {
    id: 'remove',
    label: () => 'Delete',
    keys: ['delete', 'backspace'],
    enabled: hasSelection,
    perform: removeChosen,
  },
  selectAll: { id: 'selectAll', label: () => 'Select all', keys: ['mod+a'], enabled: hasNodes, perform: selectAll },
  deselect: {
    id: 'deselect',
    label: () => 'Select nothing',
    keys: ['escape'],
    enabled: hasSelection,
    perform: () => select([]),
  },
  add: {
    id: 'add',
    label: () => 'Add a step',
    keys: ['n', '/'],
    enabled: always,
    perform: (around) => around.focusPalette(),
  },
  find: {
    id: 'find',
    label: () => 'Find',
    keys: ['mod+f'],
    inText: true,
    enabled: hasNodes,
    perform: (around) => around.find(),
  },
  enter: {
    id: 'enter',
    label: () => 'Open the steps inside',
    keys: ['mod+arrowdown'],
    enabled: ({ selection }) => selection.nodes.size === 1,
    perform: (around) => around.enter(),
  },
  leave: {
    id: 'leave',
    label: () => 'Back to the graph around',
    keys: ['mod+arrowup'],
    enabled: ({ where }) => where.length > 0,
    perform: (around) => around.leave(),
  },
  tidy: {
    id: 'tidy',
    label: () => 'Tidy up',
    keys: ['shift+t'],
    enabled: hasNodes,
    perform: (around) => (tidy(), around.fit()),
  },
  fit: { id: 'fit', label: () => 'Show everything', keys: ['1'], enabled: hasNodes, perform: (around) => around.fit() },
  keys: {
    id: 'keys',
    label: () => 'Show the shortcuts',
    keys: ['?'],
    enabled: always,
    perform: (around) => around.showKeys(),
  },
} satisfies Record<string, Action>

const lower = (label: string | null): string => (label ? label.charAt(0).toLowerCase() + label.slice(1) : '')

/** "mod+shift+z" for the keys that are down; mod is Ctrl, or Command on a Mac. */
export function keysOf(event: KeyboardEvent): string {
  const key = event.key.toLowerCase()
  const symbol = key.length === 1 && !/[a-z0-9]/.test(key)
  const parts = [event.ctrlKey || event.metaKey ? 'mod' : '', event.shiftKey && !symbol ? 'shift' : '', key]
  return parts.filter(Boolean).join('+')
}

/** Performs what the keys stand for; true when there was something. */
export function handleKeys(event: KeyboardEvent, around: Surroundings): boolean {
  const pressed = keysOf(event)
  const action: Action | undefined = Object.values<Action>(actions).find((one) => one.keys.includes(pressed))
  if (!action || (isTyping(event.target) && !action.inText)) return false
  if (action.enabled(useEditor.getState())) action.perform(around)
  return true
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName)
}
