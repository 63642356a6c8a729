import { Button, Group, Modal, Select } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState, type FormEvent } from 'react'

import { errorText } from '../../api/client'
import { startRun } from '../../api/queries'
import type { Json, JsonObject, Priority, Workflow } from '../../api/types'
import { isDirty, useEditor } from '../../canvas/store'
import { SchemaForm } from '../../inspector/SchemaForm'
import { CodeEditor } from '../../ui/CodeEditor'
import { Notice } from '../../ui/Notice'
import { randomKey } from '../../util/random'

import { faultsOf, firstValues, formOf, toInput } from './runForm'
import type { Saving } from './saving'

type Props = { workflow: Workflow; saving: Saving; onClose: () => void }

const priorities: { value: Priority; label: string }[] = [
  { value: 'high', label: 'High priority' },
  { value: 'normal', label: 'Normal priority' },
  { value: 'low', label: 'Low priority' },
]

/** Asks for the input that the manual trigger describes, saves what is on screen, and runs exactly that. */
export function RunDialog({ workflow, saving, onClose }: Props) {
  const navigate = useNavigate()
  const client = useQueryClient()
  const dirty = useEditor(isDirty)
  const form = useEditor((state) => formOf(state.history.present))
  const [values, setValues] = useState<JsonObject>(() => firstValues(form))
  const [text, setText] = useState('{}')
  const [key] = useState(randomKey)
  const [priority, setPriority] = useState<Priority | null>(null)
  const [refused, setRefused] = useState<string | null>(null)
  const [tried, setTried] = useState(false)
  const start = useMutation({
    mutationFn: async (input: Json) =>
      startRun(workflow.id, { input, version: await saving.save(), ...(priority && { priority }) }, key),
    onSuccess: (run) => {
      void client.invalidateQueries({ queryKey: ['runs'] })
      void navigate({ to: '/runs/$id', params: { id: run.id }, search: {} })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const parsed = form ? toInput(form, values) : parse(text)
    setTried(true)
    if (parsed === undefined) return setRefused('The input is not JSON yet.')
    if (form && faultsOf(form, values).length) return
    setRefused(null)
    start.mutate(parsed)
  }
  return (
    <Modal opened onClose={onClose} title={`Run ${workflow.name}`} size="lg">
      <form className="form" noValidate onSubmit={submit} ref={form ? focusFirst : undefined}>
        {refused && <Notice>{refused}</Notice>}
        {start.error && <Notice>{errorText(start.error)}</Notice>}
        {form ? (
          // What is wrong stays marked until it is right, whatever else is changed meanwhile.
          <SchemaForm
            root="input"
            schema={form}
            value={values}
            problems={tried ? faultsOf(form, values) : []}
            onChange={setValues}
          />
        ) : (
          <>
            <p className="dim">The input is what the steps read as trigger. Any JSON will do.</p>
            <CodeEditor label="Input" language="json" value={text} onChange={setText} minHeight={140} />
          </>
        )}
        <Group gap={8} wrap="nowrap">
          <Select
            className="grow"
            aria-label="Priority"
            maw={180}
            placeholder="Usual priority"
            data={priorities}
            value={priority}
            onChange={(next) => setPriority(priorities.find(({ value }) => value === next)?.value ?? null)}
            clearable
          />
          <Button variant="default" ml="auto" onClick={onClose}>
            Not now
          </Button>
          <Button type="submit" loading={start.isPending} data-autofocus={form ? undefined : true}>
            {dirty ? 'Save and run' : 'Run'}
          </Button>
        </Group>
      </form>
    </Modal>
  )
}

/** The dialog gives the focus to what is marked so, else to its first button. */
const focusFirst = (form: HTMLFormElement | null): void =>
  form?.querySelector('input, textarea')?.setAttribute('data-autofocus', '')

function parse(text: string): Json | undefined {
  if (text.trim() === '') return null
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
