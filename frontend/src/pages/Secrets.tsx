import { Button } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'

import { mayEdit } from '../api/can'
import { errorText } from '../api/client'
import { profileQuery } from '../api/queries'
import { secretsQuery } from '../api/secretQueries'
import type { Secret, UsedBy } from '../api/types'
import { Notice } from '../ui/Notice'
import { useNow } from '../ui/now'
import { formatAgo, formatFull } from '../util/time'

import { AddSecret } from './secrets/AddSecret'
import { SecretMenu } from './secrets/SecretMenu'
import './secrets/secrets.css'

/** What workflows know by name. Values go in here and never come out. */
export function Secrets() {
  const profile = useQuery(profileQuery)
  const editor = mayEdit(profile.data)
  const { data: secrets, error } = useQuery(secretsQuery)
  const [adding, setAdding] = useState(false)
  const add = editor && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
      Add a secret
    </Button>
  )
  return (
    <main className="page">
      <title>Secrets · FlowForge</title>
      <div className="list">
        <div className="list-inner">
          <div className="list-head">
            <h1 className="grow">Secrets</h1>
            {secrets && secrets.length > 0 && add}
          </div>
          <p className="dim secrets-lead">
            A step names a secret as <code>{'{{ secrets.NAME }}'}</code>. Its value is kept encrypted, used when the
            step runs, hidden from inputs, outputs and logs, and never shown again.
          </p>
          {error && <Notice>{errorText(error)}</Notice>}
          {secrets?.length === 0 && (
            <div className="empty">
              <h2>No secrets yet</h2>
              <p className="dim">
                {editor
                  ? 'Add the tokens and passwords that your steps need.'
                  : 'An editor of the workspace adds them.'}
              </p>
              {add}
            </div>
          )}
          {secrets && secrets.length > 0 && <SecretTable secrets={secrets} editor={editor} />}
        </div>
      </div>
      {adding && <AddSecret taken={secrets?.map(({ name }) => name) ?? []} onClose={() => setAdding(false)} />}
    </main>
  )
}

function SecretTable({ secrets, editor }: { secrets: Secret[]; editor: boolean }) {
  const now = useNow(true)
  return (
    <table className="table is-still">
      <thead>
        <tr>
          <th>Name</th>
          <th>Hosts</th>
          <th className="wide-only">Used by</th>
          <th className="wide-only">Changed</th>
          {editor && (
            <th>
              <span className="unseen">Actions</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {secrets.map((secret) => (
          <tr key={secret.name} data-secret={secret.name}>
            <td className="mono secret-name" title={secret.name}>
              {secret.name}
            </td>
            <td className="main" title={secret.hosts.join(', ')}>
              {secret.hosts.length ? (
                <span className="mono">{secret.hosts.join(', ')}</span>
              ) : (
                <span className="dim">any host</span>
              )}
            </td>
            <td className="wide-only secret-uses">
              <Uses uses={secret.used_by} />
            </td>
            <td className="dim wide-only" title={formatFull(secret.updated_at)}>
              {formatAgo(secret.updated_at, now)}
            </td>
            {editor && (
              <td className="row-menu">
                <SecretMenu secret={secret} />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const shownUses = 2

function Uses({ uses }: { uses: UsedBy[] }) {
  if (!uses.length) return <span className="dim">no workflow</span>
  const more = uses.length - shownUses
  return (
    <span title={uses.map(({ name }) => name).join(', ')}>
      {uses.slice(0, shownUses).map(({ id, name }, index) => (
        <span key={id}>
          {index > 0 && ', '}
          <Link to="/workflows/$id" params={{ id }} search={{}}>
            {name}
          </Link>
        </span>
      ))}
      {more > 0 && <span className="dim"> and {more} more</span>}
    </span>
  )
}
