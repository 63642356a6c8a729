import { Loader } from '@mantine/core'

/** Shown only when a page takes its time. */
export function Loading() {
  return (
    <div className="center" role="status" aria-label="Loading">
      <Loader size="sm" />
    </div>
  )
}
