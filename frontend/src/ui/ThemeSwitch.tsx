import { ActionIcon, Menu, useMantineColorScheme, type MantineColorScheme } from '@mantine/core'
import { IconCheck, IconDeviceDesktop, IconMoon, IconSun, type Icon } from '@tabler/icons-react'

const choices: Record<MantineColorScheme, { label: string; icon: Icon }> = {
  auto: { label: 'Like the system', icon: IconDeviceDesktop },
  light: { label: 'Light', icon: IconSun },
  dark: { label: 'Dark', icon: IconMoon },
}

export function ThemeSwitch({ className }: { className?: string }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const Current = choices[colorScheme].icon
  return (
    <Menu position="right-end" withinPortal>
      <Menu.Target>
        <ActionIcon className={className} size={40} aria-label={`Theme: ${choices[colorScheme].label}`}>
          <Current size={20} stroke={1.6} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {Object.entries(choices).map(([value, { label, icon: Shape }]) => (
          <Menu.Item
            key={value}
            leftSection={<Shape size={16} />}
            rightSection={value === colorScheme && <IconCheck size={14} aria-label="chosen" />}
            onClick={() => setColorScheme(value as MantineColorScheme)}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
