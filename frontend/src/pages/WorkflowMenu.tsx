import { ActionIcon, Menu } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconArchive, IconArchiveOff, IconBolt, IconCopy, IconDots, IconHistory } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { archiveWorkflow, createWorkflow, patchWorkflow, versionQuery } from '../api/queries'
import type { Workflow } from '../api/types'
import { pages } from '../util/paths'

/** What can be done to a workflow without opening it. */
export function WorkflowMenu({ workflow }: { workflow: Workflow }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const act = useMutation({
    mutationFn: (doing: () => Promise<unknown>) => doing(),
    onSuccess: () => client.invalidateQueries({ queryKey: ['workflows'] }),
    onError: (error) => notifications.show({ color: 'red', title: 'That did not work', message: errorText(error) }),
  })
  const duplicate = async () => {
    const { graph } = await client.fetchQuery(versionQuery(workflow.id, workflow.version))
    const made = await createWorkflow({ name: `Copy of ${workflow.name}`, graph })
    await navigate({ to: '/workflows/$id', params: { id: made.id } })
  }
  const archived = workflow.status === 'archived'
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon size={28} aria-label={`More for ${workflow.name}`} loading={act.isPending}>
          <IconDots size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<IconHistory size={15} />}
          onClick={() => void navigate({ to: pages.runs, search: { workflow_id: workflow.id } })}
        >
          Runs
        </Menu.Item>
        <Menu.Item
          leftSection={<IconBolt size={15} />}
          onClick={() => void navigate({ to: pages.triggers, search: { workflow_id: workflow.id } })}
        >
          Triggers
        </Menu.Item>
        <Menu.Item leftSection={<IconCopy size={15} />} onClick={() => act.mutate(duplicate)}>
          Duplicate
        </Menu.Item>
        {archived ? (
          <Menu.Item
            leftSection={<IconArchiveOff size={15} />}
            onClick={() =>
              act.mutate(() =>
                patchWorkflow(workflow.id, { status: workflow.published_version === null ? 'draft' : 'active' }),
              )
            }
          >
            Restore
          </Menu.Item>
        ) : (
          <Menu.Item
            leftSection={<IconArchive size={15} />}
            onClick={() => act.mutate(() => archiveWorkflow(workflow.id))}
          >
            Archive
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}
