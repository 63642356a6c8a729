import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { setUp } from '../api/queries'
import { Gate } from '../ui/Gate'
import { Notice } from '../ui/Notice'
import { pages } from '../util/paths'

export function Setup() {
  const search = useSearch({ from: '/setup' })
  const navigate = useNavigate()
  const create = useMutation({ mutationFn: setUp, onSuccess: () => navigate({ to: pages.workflows }) })
  return (
    <Gate
      title="Set up FlowForge"
      lead="Create the first account. It owns this server."
      onSubmit={({ email = '', password = '', workspace = '', token = '' }) =>
        create.mutate({ email, password, workspace, token: search.token ?? token })
      }
    >
      {create.error && <Notice>{errorText(create.error)}</Notice>}
      {search.token === undefined && (
        <TextInput
          name="token"
          label="Set-up token"
          description="The server printed a link with this token when it first started."
          required
          withAsterisk={false}
          autoComplete="off"
          autoFocus
        />
      )}
      <TextInput
        name="email"
        type="email"
        label="Email"
        autoComplete="username"
        required
        withAsterisk={false}
        autoFocus={search.token !== undefined}
      />
      <PasswordInput
        name="password"
        label="Password"
        description="12 characters or more"
        autoComplete="new-password"
        minLength={12}
        maxLength={128}
        required
        withAsterisk={false}
      />
      <TextInput name="workspace" label="Workspace" defaultValue="Main" required withAsterisk={false} />
      <Button type="submit" loading={create.isPending}>
        Create account
      </Button>
      <Link to={pages.signIn} search={{}} className="crumb">
        I have an account already
      </Link>
    </Gate>
  )
}
