import { Button, Group, Modal } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'

import { errorText } from '../../api/client'
import { deleteSecret, secretsQuery } from '../../api/secretQueries'
import type { Secret } from '../../api/types'
import { Notice } from '../../ui/Notice'

/** Deleting breaks whatever names the secret, so it says what that is. */
export function DeleteSecret({ secret, onClose }: { secret: Secret; onClose: () => void }) {
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: () => deleteSecret(secret.name),
    onSuccess: async ({ warning }) => {
      await client.invalidateQueries({ queryKey: secretsQuery.queryKey })
      const said = warning ? `${warning.charAt(0).toUpperCase()}${warning.slice(1).replaceAll('`', '')}.` : ''
      notifications.show({ message: `${secret.name} is deleted. ${said}`.trim() })
      onClose()
    },
  })
  const { used_by: uses } = secret
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
        {remove.error && <Notice>{errorText(remove.error)}</Notice>}
        <Group justify="flex-end" gap={8}>
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it
          </Button>
          <Button className="is-danger" loading={remove.isPending} onClick={() => remove.mutate()}>
            Delete
          </Button>
        </Group>
      </div>
    </Modal>
  )
}
