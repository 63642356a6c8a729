import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'

import { errorText } from '../../api/client'
import { patchWorkflow, workflowQuery } from '../../api/queries'

/** Changes what belongs to the workflow itself: such a change is saved at once and makes no version. */
export function usePatch(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (patch: { name?: string; description?: string }) => patchWorkflow(id, patch),
    onSuccess: (changed) => client.setQueryData(workflowQuery(id).queryKey, changed),
    onError: (error) => notifications.show({ color: 'red', title: 'Not changed', message: errorText(error) }),
  })
}
