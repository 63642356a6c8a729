import { PasswordInput, TagsInput } from '@mantine/core'

type ValueProps = { label?: string; value: string; error?: string | null; onChange: (value: string) => void }

export function ValueField({ label = 'Value', value, error, onChange }: ValueProps) {
  return (
    <PasswordInput
      label={label}
      withAsterisk
      // No browser is to offer its own passwords here, or to keep this one.
      autoComplete="new-password"
      classNames={{ innerInput: 'input-mono' }}
      spellCheck={false}
      value={value}
      error={error}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    />
  )
}

export function HostsField({ value, onChange }: { value: string[]; onChange: (hosts: string[]) => void }) {
  return (
    <TagsInput
      label="Hosts"
      description="The only hosts that the value may be sent to, like api.example.org or *.example.org. With none, any."
      placeholder={value.length ? undefined : 'api.example.org'}
      size="sm"
      value={value}
      onChange={onChange}
      splitChars={[',', ' ']}
      acceptValueOnBlur
    />
  )
}
