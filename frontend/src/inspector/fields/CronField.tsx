import { Autocomplete } from '@mantine/core'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

const usual: Record<string, string> = {
  '*/5 * * * *': 'Every five minutes',
  '@hourly': 'Every hour',
  '0 9 * * 1-5': 'At 09:00 from Monday to Friday',
  '0 0 * * *': 'Every midnight',
  '0 6 * * 1': 'At 06:00 on Mondays',
  '0 0 1 * *': 'At midnight on the first of a month',
}

/** A cron expression. What it means is told below the form while it is typed. */
export function CronField(props: FieldProps) {
  const { schema, value, path, required, onChange } = props
  const text = typeof value === 'string' ? value : ''
  return (
    <Autocomplete
      {...frameProps(props)}
      size="sm"
      data={Object.keys(usual)}
      // They are examples and no completions.
      filter={({ options }) => options}
      renderOption={({ option }) => (
        <span className="cron-choice">
          <code>{option.value}</code>
          <span className="dim">{usual[option.value]}</span>
        </span>
      )}
      value={text}
      onChange={(next) => onChange?.(next === '' && !required ? undefined : next, path)}
      placeholder={schema['x-placeholder']}
      classNames={{ input: 'input-mono' }}
      comboboxProps={{ withinPortal: true }}
      spellCheck={false}
      autoComplete="off"
    />
  )
}
