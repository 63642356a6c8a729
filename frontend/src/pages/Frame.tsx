import { ActionIcon, Menu, Tooltip } from '@mantine/core'
import {
  IconBolt,
  IconCoin,
  IconHistory,
  IconKey,
  IconLogout,
  IconSchema,
  IconSettings,
  IconUser,
  IconUserCheck,
} from '@tabler/icons-react'
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate } from '@tanstack/react-router'

import { profileQuery, signOut } from '../api/queries'
import { approvalsQuery } from '../api/runQueries'
import { Logo } from '../ui/Logo'
import { ThemeSwitch } from '../ui/ThemeSwitch'
import { pages } from '../util/paths'

const entries = [
  { to: pages.workflows, label: 'Workflows', icon: IconSchema },
  { to: pages.runs, label: 'Runs', icon: IconHistory },
  { to: pages.triggers, label: 'Triggers', icon: IconBolt },
] as const

/** How many decisions are waited for: "3", or "50+" when the first page of them is not all. */
function useWaiting(): string {
  const { data } = useInfiniteQuery(approvalsQuery)
  const pagesOf = data?.pages ?? []
  const count = pagesOf.reduce((sum, page) => sum + page.items.length, 0)
  return count === 0 ? '' : `${count}${pagesOf.at(-1)?.next_cursor ? '+' : ''}`
}

export function Frame() {
  return (
    <div className="frame">
      <nav className="rail" aria-label="Main">
        <Link to={pages.workflows} className="rail-brand" aria-label="FlowForge">
          <Logo />
        </Link>
        {entries.map(({ to, label, icon: Shape }) => (
          <Tooltip key={to} label={label} position="right">
            <Link to={to} className="rail-link" aria-label={label}>
              <Shape size={20} stroke={1.6} aria-hidden />
              <small>{label}</small>
            </Link>
          </Tooltip>
        ))}
        <ApprovalsLink />
        <Tooltip label="Secrets" position="right">
          <Link to={pages.secrets} className="rail-link wide-only" aria-label="Secrets">
            <IconKey size={20} stroke={1.6} aria-hidden />
          </Link>
        </Tooltip>
        <Tooltip label="Budgets and usage" position="right">
          <Link to={pages.budgets} className="rail-link wide-only" aria-label="Budgets and usage">
            <IconCoin size={20} stroke={1.6} aria-hidden />
          </Link>
        </Tooltip>
        <span className="grow" />
        <ThemeSwitch />
        <Account />
      </nav>
      <Outlet />
    </div>
  )
}

function ApprovalsLink() {
  const waiting = useWaiting()
  const label = waiting ? `Approvals, ${waiting} waiting` : 'Approvals'
  return (
    <Tooltip label={label} position="right">
      <Link to={pages.approvals} className="rail-link" aria-label={label}>
        <span className="rail-icon">
          <IconUserCheck size={20} stroke={1.6} aria-hidden />
          {waiting && <span className="rail-badge num">{waiting}</span>}
        </span>
        <small>Approvals</small>
      </Link>
    </Tooltip>
  )
}

function Account() {
  const { data } = useQuery(profileQuery)
  const navigate = useNavigate()
  const leave = useMutation({ mutationFn: signOut, onSuccess: () => navigate({ to: pages.signIn, search: {} }) })
  return (
    <Menu position="right-end" withinPortal>
      <Menu.Target>
        <ActionIcon size={40} aria-label="Account">
          <IconUser size={20} stroke={1.6} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {data && (
          <Menu.Label>
            {data.user.email}
            <br />
            {data.workspace.name}, {data.role}
          </Menu.Label>
        )}
        <Menu.Item
          className="phone-only"
          leftSection={<IconKey size={16} />}
          onClick={() => void navigate({ to: pages.secrets })}
        >
          Secrets
        </Menu.Item>
        <Menu.Item
          className="phone-only"
          leftSection={<IconCoin size={16} />}
          onClick={() => void navigate({ to: pages.budgets })}
        >
          Budgets and usage
        </Menu.Item>
        {data?.role === 'owner' && (
          <Menu.Item leftSection={<IconSettings size={16} />} onClick={() => void navigate({ to: pages.settings })}>
            Workspace settings
          </Menu.Item>
        )}
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => leave.mutate()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
