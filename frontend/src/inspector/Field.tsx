import { bare, kindOf, labelOf } from './schema'
import { CodeField } from './fields/CodeField'
import { CronField } from './fields/CronField'
import { GroupField, VariantField } from './fields/GroupField'
import { JsonField } from './fields/JsonField'
import { ListField } from './fields/ListField'
import { LiteralField } from './fields/LiteralField'
import { NumberField } from './fields/NumberField'
import { PairsField } from './fields/PairsField'
import { PortField } from './fields/PortField'
import { SecretField } from './fields/SecretField'
import { SelectField } from './fields/SelectField'
import { TagsField } from './fields/TagsField'
import { TextField } from './fields/TextField'
import { TimezoneField } from './fields/TimezoneField'
import { ToggleField } from './fields/ToggleField'
import { WorkflowField } from './fields/WorkflowField'
import type { FieldInput } from './fields/types'

/** Chooses the control for one property of a schema. */
export function Field(input: FieldInput) {
  const kind = kindOf(input.schema)
  const schema = bare(input.schema)
  const props = {
    ...input,
    schema,
    label: labelOf(input.name, schema),
    error: input.messages.get(input.path),
  }
  switch (kind.kind) {
    case 'text':
    case 'textarea':
    case 'template':
    case 'expression':
      return <TextField {...props} look={kind.kind} />
    case 'number':
    case 'integer':
      return <NumberField {...props} whole={kind.kind === 'integer'} />
    case 'toggle':
      return <ToggleField {...props} />
    case 'select':
      return <SelectField {...props} choices={kind.choices} />
    case 'code':
      return <CodeField {...props} language={kind.language} />
    case 'pairs':
      return <PairsField {...props} />
    case 'object':
      return <GroupField {...props} />
    case 'variant':
      return <VariantField {...props} variants={kind.variants} />
    case 'list':
      return <ListField {...props} item={kind.item} />
    case 'literal':
      return <LiteralField {...props} />
    case 'port':
      return <PortField {...props} />
    case 'tags':
      return <TagsField {...props} />
    case 'secret':
      return <SecretField {...props} />
    case 'cron':
      return <CronField {...props} />
    case 'timezone':
      return <TimezoneField {...props} />
    case 'workflow':
      return <WorkflowField {...props} />
    case 'json':
      return <JsonField {...props} />
  }
}
