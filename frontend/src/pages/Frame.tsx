import { ActionIcon, Menu, Tooltip } from '@mantine/core'
import { IconHistory, IconLogout, IconSchema, IconUser } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate } from '@tanstack/react-router'

import { profileQuery, signOut } from '../api/queries'
import { Logo } from '../ui/Logo'
import { ThemeSwitch } from '../ui/ThemeSwitch'
import { pages } from '../util/paths'

const entries = [
  { to: pages.workflows, label: 'Workflows', icon: IconSchema },
  { to: pages.runs, label: 'Runs', icon: IconHistory },
] as const

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
        <span className="grow" />
        <ThemeSwitch />
        <Account />
      </nav>
      <Outlet />
    </div>
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
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => leave.mutate()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
