import { Button, NumberInput, SegmentedControl } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { errorText } from '../api/client'
import { profileQuery } from '../api/queries'
import { patchWorkspace, workspaceQuery } from '../api/runQueries'
import type { WorkspaceSettings } from '../api/types'
import { Notice } from '../ui/Notice'

import './settings.css'

/** What holds for the whole workspace; its owner decides it. */
export function Settings() {
  const profile = useQuery(profileQuery)
  const owner = profile.data?.role === 'owner'
  const settings = useQuery({ ...workspaceQuery, enabled: owner })
  return (
    <main className="page">
      <title>Workspace · FlowForge</title>
      <div className="list">
        <div className="list-inner settings">
          <h1>Workspace{profile.data && ` ${profile.data.workspace.name}`}</h1>
          {profile.data && !owner && <Notice tone="idle">Only an owner of the workspace changes its settings.</Notice>}
          {settings.error && <Notice>{errorText(settings.error)}</Notice>}
          {settings.data && <Retention key={String(settings.data.retention_days)} settings={settings.data} />}
        </div>
      </div>
    </main>
  )
}

const usual = 30
/** Ten years; the server takes no more. */
const most = 3_650

function Retention({ settings }: { settings: WorkspaceSettings }) {
  const client = useQueryClient()
  const [days, setDays] = useState(settings.retention_days)
  const save = useMutation({
    mutationFn: () => patchWorkspace({ retention_days: days }),
    onSuccess: (saved) => {
      client.setQueryData(workspaceQuery.queryKey, saved)
      notifications.show({ message: 'Saved.' })
    },
  })
  const broken = days !== null && (!Number.isInteger(days) || days < 1 || days > most)
  return (
    <form
      className="settings-card"
      onSubmit={(event) => {
        event.preventDefault()
        if (!broken) save.mutate()
      }}
    >
      <div>
        <h2>How long runs are kept</h2>
        <p className="dim">
          A run that ended longer ago is deleted with its values, its log and the runs of its items. Workflows and their
          versions stay.
        </p>
      </div>
      <SegmentedControl
        aria-label="How long runs are kept"
        data={[
          { value: 'ever', label: 'For ever' },
          { value: 'days', label: 'For a time' },
        ]}
        value={days === null ? 'ever' : 'days'}
        onChange={(choice) => setDays(choice === 'ever' ? null : (settings.retention_days ?? usual))}
      />
      {days !== null && (
        <NumberInput
          label="Days"
          w={160}
          size="sm"
          min={1}
          max={most}
          clampBehavior="none"
          allowDecimal={false}
          value={Number.isNaN(days) ? '' : days}
          onChange={(next) => setDays(typeof next === 'number' ? next : Number.NaN)}
          error={broken ? `A whole number of days, 1 to ${most.toLocaleString()}.` : undefined}
        />
      )}
      {save.error && <Notice>{errorText(save.error)}</Notice>}
      <div>
        <Button type="submit" loading={save.isPending} disabled={broken || days === settings.retention_days}>
          Save
        </Button>
      </div>
    </form>
  )
}
