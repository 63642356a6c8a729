import { NumberInput } from '@mantine/core'

type Props = {
  label: string
  description?: string
  value: number | null
  error?: string | null
  onChange: (dollars: number | null) => void
}

/** The most that the server takes. */
export const mostUsd = 1_000_000

export const isMoney = (value: number | null): value is number => value !== null && value > 0 && value <= mostUsd

/** An amount of dollars. */
export function MoneyField({ label, description, value, error, onChange }: Props) {
  return (
    <NumberInput
      label={label}
      description={description}
      withAsterisk
      data-autofocus
      prefix="$"
      thousandSeparator=","
      decimalScale={6}
      min={0}
      max={mostUsd}
      hideControls
      value={value ?? ''}
      error={error}
      onChange={(next) => onChange(typeof next === 'number' ? next : null)}
    />
  )
}
