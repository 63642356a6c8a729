import { Autocomplete } from '@mantine/core'

import { frameProps } from './FieldFrame'
import type { FieldProps } from './types'

let known: string[] | null = null

/** The zones that the browser knows; UTC, which it does not list, first. */
function zones(): string[] {
  known ??= [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])]
  return known
}

/** A time zone by its IANA name. The server knows all of them, so one that is not offered may be typed. */
export function TimezoneField(props: FieldProps) {
  const { schema, value, path, required, onChange } = props
  const standard = typeof schema.default === 'string' ? schema.default : undefined
  return (
    <Autocomplete
      {...frameProps(props)}
      size="sm"
      data={zones()}
      limit={100}
      value={typeof value === 'string' ? value : ''}
      onChange={(next) => onChange?.(next === '' && !required ? undefined : next, path)}
      placeholder={standard ?? schema['x-placeholder']}
      comboboxProps={{ withinPortal: true }}
      spellCheck={false}
      autoComplete="off"
    />
  )
}
