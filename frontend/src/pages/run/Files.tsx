import { useQuery } from '@tanstack/react-query'

import { errorText } from '../../api/client'
import { diffQuery } from '../../api/runQueries'
import type { ChangedFile, Checkpoint } from '../../api/types'
import { patchLines } from '../../runs/patch'
import { Loading } from '../../ui/Loading'
import { Notice } from '../../ui/Notice'

import './files.css'

type Props = { runId: string; checkpoint: Checkpoint }

/** How many lines of a patch are drawn; a longer one can be read in whole at its address. */
const drawn = 5_000

/** What a step has changed in the work tree. */
export function Files({ runId, checkpoint }: Props) {
  const { changed, changes } = checkpoint
  if (!changed) return <p className="panel-none">This step has changed no file.</p>
  return (
    <div className="files">
      <ul className="files-list" aria-label="Changed files">
        {changes.map((file) => (
          <li key={file.path}>
            <span className="mono clip">{file.path}</span>
            <Counts file={file} />
          </li>
        ))}
        {changed > changes.length && <li className="dim">and {(changed - changes.length).toLocaleString()} more</li>}
      </ul>
      {checkpoint.has_diff && <Patch runId={runId} number={checkpoint.number} />}
    </div>
  )
}

function Counts({ file }: { file: ChangedFile }) {
  if (file.added === null) return <span className="dim">binary</span>
  return (
    <span className="num">
      <span className="files-added">+{file.added}</span> <span className="files-removed">−{file.removed}</span>
    </span>
  )
}

function Patch({ runId, number }: { runId: string; number: number }) {
  const patch = useQuery(diffQuery(runId, number))
  if (patch.error) return <Notice>{errorText(patch.error)}</Notice>
  if (patch.data === undefined) return <Loading />
  const lines = patchLines(patch.data)
  return (
    <>
      <pre className="files-patch" aria-label="Patch" tabIndex={0}>
        {lines.slice(0, drawn).map(({ kind, text }, at) => (
          <span key={at} className={`files-${kind}`}>
            {text}
            {'\n'}
          </span>
        ))}
      </pre>
      {lines.length > drawn && (
        <p className="dim">
          The first {drawn.toLocaleString()} of {lines.length.toLocaleString()} lines.
        </p>
      )}
    </>
  )
}
