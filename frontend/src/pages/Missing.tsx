import { Link } from '@tanstack/react-router'

import { pages } from '../util/paths'

export function Missing() {
  return (
    <main className="gate">
      <div className="gate-box">
        <h1>Nothing here</h1>
        <p className="dim">This address leads to no page. It may have been mistyped.</p>
        <Link to={pages.workflows}>Go to the workflows</Link>
      </div>
    </main>
  )
}
