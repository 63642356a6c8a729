import type { JsonObject, Trigger } from '../api/types'
import { CopyLine } from '../ui/CopyLine'

import { curlLine, sharedGithubUrl } from './curl'

type Props = {
  trigger: Pick<Trigger, 'kind' | 'status' | 'url' | 'test_url'>
  /** What a caller has to prove; for a draft, as it is on screen. */
  params: JsonObject
}

/** Where a webhook is called, ready to be taken elsewhere. */
export function Addresses({ trigger: { kind, status, url, test_url }, params }: Props) {
  if (!url || !test_url) return <p className="dim">Whoever knows an address may call it, so only editors see it.</p>
  const active = status === 'active'
  return (
    <>
      <CopyLine label={active ? 'Address' : 'Address, once it is published'} value={url} />
      {kind === 'github' && <CopyLine label="Address for all GitHub triggers" value={sharedGithubUrl(url)} />}
      <CopyLine label="Test address" value={test_url} />
      {kind === 'webhook' && (
        <CopyLine
          wrap
          label={active ? 'Line for a terminal' : 'Line for a terminal, with the test address'}
          value={curlLine(active ? url : test_url, params)}
        />
      )}
    </>
  )
}
