import { Button } from '@mantine/core'
import { useRouter, type ErrorComponentProps } from '@tanstack/react-router'

import { errorText } from '../api/client'
import { Notice } from '../ui/Notice'

/** What a page shows instead of itself when it cannot be shown. */
export function Trouble({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  const again = () => {
    reset()
    void router.invalidate()
  }
  return (
    <main className="center">
      <div className="gate-box">
        <h1>This page could not be shown</h1>
        <Notice>{errorText(error)}</Notice>
        <div>
          <Button onClick={again}>Try again</Button>
        </div>
      </div>
    </main>
  )
}
