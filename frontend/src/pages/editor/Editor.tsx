import { ActionIcon, Button, Drawer, Tooltip } from '@mantine/core'
import { useLocalStorage, useMediaQuery, useWindowEvent } from '@mantine/hooks'
import { IconLayoutSidebarLeftExpand, IconX } from '@tabler/icons-react'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'

import type { NodeType, Problem, Workflow } from '../../api/types'
import { handleKeys, type Surroundings } from '../../canvas/actions'
import { Canvas, type Editing, type Exit } from '../../canvas/Canvas'
import { bodyParam, pathOf, wayTo } from '../../canvas/body'
import { keepDrafts } from '../../canvas/drafts'
import { addStep, clearOf, connectSteps, moveSteps } from '../../canvas/edits'
import { FindBar } from '../../canvas/FindBar'
import { nodeById, nodeSize, titleOf, type Point } from '../../canvas/graph'
import { setMarks } from '../../canvas/marks'
import { Palette } from '../../canvas/Palette'
import {
  currentDocument,
  currentGraph,
  enter,
  goTo,
  select,
  shownGraph,
  undo,
  updateSelection,
  useEditor,
  type Selection,
} from '../../canvas/store'
import { useSight } from '../../canvas/useSight'
import type { Catalog } from '../../canvas/view'
import { fieldId, fieldPath } from '../../inspector/SchemaForm'
import { defaultsOf } from '../../inspector/schema'
import { formatFull } from '../../util/time'

import { onCopy, onPaste } from './clipboard'
import { BodyTrail } from './BodyTrail'
import { ConflictDialog } from './ConflictDialog'
import { EditorBar } from './EditorBar'
import { KeysDialog } from './KeysDialog'
import { useProblemMarks, useValidation } from './problems'
import { RunDialog } from './RunDialog'
import { useSaving } from './saving'
import { GraphSettings } from './GraphSettings'
import { StepSettings } from './StepSettings'
import './editor.css'

type Props = { workflow: Workflow; types: NodeType[]; catalog: Catalog; restoredAt: number | null; step?: string }

export function Editor({ workflow, types, catalog, restoredAt, step }: Props) {
  const whole = useEditor((state) => state.history.present)
  const graph = useEditor(shownGraph)
  const where = useEditor((state) => state.where)
  const selection = useEditor((state) => state.selection)
  const sight = useSight(currentGraph)
  const phone = useMediaQuery('(max-width: 767px)', undefined, { getInitialValueInEffect: false })
  const [showPalette, setShowPalette] = useLocalStorage({ key: 'flowforge.palette', defaultValue: true })
  const [dialog, setDialog] = useState<'run' | 'keys' | null>(null)
  const [dangling, setDangling] = useState<{ exit: Exit; at: Point } | null>(null)
  const [settingsOpen, setSettingsOpen] = useState(false)
  const [finding, setFinding] = useState(false)
  const [restored, setRestored] = useState(restoredAt)
  const search = useRef<HTMLInputElement>(null)
  const { problems } = useValidation()
  const path = pathOf(where)
  useProblemMarks(problems, where)
  const saving = useSaving(workflow.id)

  useEffect(() => (setMarks(new Map(), new Set()), keepDrafts()), [])
  // Whoever comes for a step finds it open.
  useEffect(() => void (step && nodeById(currentGraph(), step) && select([step])), [step])
  // Another graph is on the canvas: all of it is shown, unless it was opened for one of its steps.
  const wanted = useRef<string | null>(step ?? null)
  useEffect(() => {
    if (wanted.current === null) sight.fit()
    else sight.show(wanted.current)
    wanted.current = null
  }, [path, sight])

  const open = (id: string) => {
    const param = bodyParam(catalog.get(nodeById(currentGraph(), id)?.type ?? ''))
    if (param !== null) enter({ id, param })
  }

  const around: Surroundings = {
    save: () => void (problems.length || saving.save().catch(() => {})),
    run: () => problems.length || setDialog('run'),
    fit: sight.fit,
    focusPalette: () => (setShowPalette(true), requestAnimationFrame(() => search.current?.focus())),
    find: () => setFinding(true),
    enter: () => [...selection.nodes].forEach(open),
    leave: () => goTo(where.slice(0, -1)),
    showKeys: () => setDialog('keys'),
  }
  useWindowEvent('keydown', (event) => {
    if (!dialog && !phone && handleKeys(event, around)) event.preventDefault()
  })
  useWindowEvent('copy', onCopy)
  useWindowEvent('cut', phone ? () => {} : onCopy)
  useWindowEvent('paste', phone ? () => {} : onPaste)

  const editing = useMemo<Editing>(
    () => ({
      onMove: moveSteps,
      onConnect: connectSteps,
      onDrop: (type, at, onEdge) => {
        const corner = { x: at.x - nodeSize.width / 2, y: at.y - nodeSize.height / 2 }
        addStep(catalog, { type, params: paramsOf(catalog, type), at: corner, onEdge, after: null })
      },
      onDangling: (exit, at) => {
        setShowPalette(true)
        setDangling({ exit, at: { x: at.x, y: at.y - nodeSize.height / 2 } })
        requestAnimationFrame(() => search.current?.focus())
      },
    }),
    [catalog, setShowPalette],
  )
  const onSelect = useCallback((update: (before: Selection) => Selection) => {
    // Looking elsewhere ends what was begun.
    setDangling(null)
    updateSelection(update)
  }, [])
  const add = ({ type }: NodeType) => {
    // With nothing chosen the second step follows the first; there is no other that could be meant.
    const alone = graph.nodes.length === 1 ? graph.nodes.map(({ id }) => id) : []
    const [only] = selection.nodes.size === 1 ? selection.nodes : alone
    const follow = only === undefined ? null : { id: only, exit: null }
    const after = dangling ? { id: dangling.exit.source, exit: dangling.exit } : follow
    const at = dangling?.at ?? clearOf(graph, sight.middle())
    setDangling(null)
    sight.reveal(addStep(catalog, { type, params: paramsOf(catalog, type), at, onEdge: null, after }))
  }
  const source = dangling && nodeById(graph, dangling.exit.source)
  const hint = source ? `Choose what follows ${titleOf(source)}.` : null
  const found = (nodeId: string) => {
    const way = wayTo(currentDocument(), nodeId, (type) => catalog.get(type))
    if (pathOf(way.where) === path) sight.show(way.id)
    else {
      wanted.current = way.id
      goTo(way.where)
    }
    select([way.id])
  }
  const openSettings = () => {
    select([])
    setSettingsOpen(true)
  }
  const showProblem = ({ node_id, field }: Problem) => {
    if (node_id) found(node_id)
    else openSettings()
    if (field)
      requestAnimationFrame(() =>
        requestAnimationFrame(() => document.getElementById(fieldId(fieldPath(field)))?.focus()),
      )
  }
  // What begins a run, or answers its caller, has no place inside a step.
  const inner = useMemo(() => types.filter((type) => !type.trigger && !type.responds), [types])
  const [chosen] = selection.nodes.size === 1 ? selection.nodes : []
  const settings =
    chosen !== undefined ? (
      <StepSettings
        key={`${path}/${chosen}`}
        id={chosen}
        workflowId={workflow.id}
        catalog={catalog}
        problems={problems}
        readOnly={Boolean(phone)}
        onEnter={() => open(chosen)}
      />
    ) : (
      settingsOpen && <GraphSettings workflow={workflow} problems={problems} onClose={() => setSettingsOpen(false)} />
    )

  return (
    <main className="page">
      <title>{`${workflow.name} · FlowForge`}</title>
      <EditorBar
        workflow={workflow}
        problems={problems}
        saving={saving}
        around={around}
        onShow={showProblem}
        onSettings={openSettings}
        readOnly={Boolean(phone)}
      />
      {restored !== null && (
        <div className="restored" role="status">
          <span className="grow">Your unsaved changes of {formatFull(new Date(restored).toISOString())} are back.</span>
          <Button size="compact-sm" variant="default" onClick={() => (undo(), setRestored(null))}>
            Drop them
          </Button>
          <ActionIcon size={28} aria-label="Keep them" onClick={() => setRestored(null)}>
            <IconX size={15} />
          </ActionIcon>
        </div>
      )}
      {where.length > 0 && <BodyTrail name={workflow.name} />}
      <div className="editor">
        {!phone && showPalette && (
          <Palette types={where.length ? inner : types} hint={hint} onAdd={add} searchRef={search} />
        )}
        <div className="editor-canvas">
          {!phone && (
            <Tooltip label={showPalette ? 'Hide the steps' : 'Show the steps'}>
              <ActionIcon
                className="palette-toggle"
                variant="default"
                aria-label={showPalette ? 'Hide the steps' : 'Show the steps'}
                onClick={() => setShowPalette(!showPalette)}
              >
                <IconLayoutSidebarLeftExpand size={17} style={{ transform: showPalette ? 'scaleX(-1)' : undefined }} />
              </ActionIcon>
            </Tooltip>
          )}
          <Canvas
            key={path}
            graph={graph}
            catalog={catalog}
            selection={selection}
            onSelect={onSelect}
            editing={phone ? undefined : editing}
            onOpen={sight.reveal}
            onEnter={open}
          />
          {finding && <FindBar graph={whole} catalog={catalog} onShow={found} onClose={() => setFinding(false)} />}
          {graph.nodes.length === 0 && (
            <p className="canvas-hint">
              {where.length
                ? 'Drag the first step for each item here from the left, or press N.'
                : 'Drag a step here from the left, or press N.'}
            </p>
          )}
        </div>
        {!phone && settings && <div className="editor-side">{settings}</div>}
      </div>
      {phone && (
        <Drawer
          opened={Boolean(settings)}
          onClose={() => select([])}
          position="bottom"
          size="80%"
          withCloseButton={false}
          padding={0}
        >
          {settings}
        </Drawer>
      )}
      {dialog === 'run' && <RunDialog workflow={workflow} saving={saving} onClose={() => setDialog(null)} />}
      {dialog === 'keys' && <KeysDialog onClose={() => setDialog(null)} />}
      {saving.conflict && <ConflictDialog id={workflow.id} theirs={saving.conflict} saving={saving} />}
    </main>
  )
}

const paramsOf = (catalog: Catalog, type: string) => defaultsOf(catalog.get(type)?.params_schema ?? {})
