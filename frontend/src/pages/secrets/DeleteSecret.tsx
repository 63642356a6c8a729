import { Button, Group, Modal } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'

import { ApiError, errorText } from '../../api/client'
import { deleteSecret, secretsQuery } from '../../api/secretQueries'
import type { Secret } from '../../api/types'
import { Notice } from '../../ui/Notice'

/** Deleting breaks whatever names the secret, so it says what that is. */
export function DeleteSecret({ secret, onClose }: { secret: Secret; onClose: () => void }) {
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: (fallBack: boolean) => deleteSecret(secret.name, fallBack),
    onSuccess: async ({ warning }) => {
      await client.invalidateQueries({ queryKey: secretsQuery.queryKey })
      const said = warning ? `${warning.charAt(0).toUpperCase()}${warning.slice(1).replaceAll('`', '')}.` : ''
      notifications.show({ message: `${secret.name} is deleted. ${said}`.trim() })
      onClose()
    },
  })
  const { used_by: uses } = secret
  const isOperators = remove.error instanceof ApiError && remove.error.code === 'secret_of_operator'
  return (
    <Modal opened onClose={onClose} title={`Delete ${secret.name}?`}>
      <div className="form">
        <p>Its value is gone for good. Steps and triggers that name it fail from then on.</p>
        {uses.length > 0 && (
          <Notice tone="waiting">
            {uses.length === 1 ? 'This workflow names it:' : `These ${uses.length} workflows name it:`}
            <ul className="secret-warning">
              {uses.map(({ id, name }) => (
                <li key={id}>{name}</li>
              ))}
            </ul>
          </Notice>
        )}
        {remove.error && (
          <Notice>
            {isOperators
              ? 'The operator of this server has a secret of the same name for all workspaces: steps that name it would use that one from then on.'
              : errorText(remove.error)}
          </Notice>
        )}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it
          </Button>
          <Button className="is-danger" loading={remove.isPending} onClick={() => remove.mutate(isOperators)}>
            {isOperators ? "Delete, and use the operator's" : 'Delete'}
          </Button>
        </Group>
      </div>
    </Modal>
  )
}
