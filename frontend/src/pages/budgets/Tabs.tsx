import { Link } from '@tanstack/react-router'

import { pages } from '../../util/paths'

/** The two sides of money: what may be spent, and what was. */
export function MoneyTabs() {
  return (
    <nav className="money-tabs" aria-label="Money">
      <Link to={pages.budgets} className="money-tab">
        Budgets
      </Link>
      <Link to={pages.usage} search={{}} className="money-tab">
        Usage
      </Link>
    </nav>
  )
}
