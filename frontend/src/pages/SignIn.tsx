import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useRouter, useSearch } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { signIn } from '../api/queries'
import { Gate } from '../ui/Gate'
import { Notice } from '../ui/Notice'
import { safeNext } from '../util/paths'

export function SignIn() {
  const { next } = useSearch({ from: '/sign-in' })
  const router = useRouter()
  const enter = useMutation({ mutationFn: signIn, onSuccess: () => router.history.push(safeNext(next)) })
  return (
    <Gate
      title="Sign in"
      lead="to your FlowForge server"
      onSubmit={({ email = '', password = '' }) => enter.mutate({ email, password })}
    >
      {enter.error && <Notice>{errorText(enter.error)}</Notice>}
      <TextInput
        name="email"
        type="email"
        label="Email"
        autoComplete="username"
        required
        withAsterisk={false}
        data-autofocus
        autoFocus
      />
      <PasswordInput name="password" label="Password" autoComplete="current-password" required withAsterisk={false} />
      <Button type="submit" loading={enter.isPending}>
        Sign in
      </Button>
    </Gate>
  )
}
