import type { FormEvent, ReactNode } from 'react'

import { Logo } from './Logo'

type Props = { title: string; lead: string; onSubmit: (values: Record<string, string>) => void; children: ReactNode }

/** The page before the app: one form in the middle. The form's values are handed over by field name. */
export function Gate({ title, lead, onSubmit, children }: Props) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const values = [...new FormData(event.currentTarget)].map(([key, value]) => [key, String(value)])
    onSubmit(Object.fromEntries(values) as Record<string, string>)
  }
  return (
    <main className="gate">
      <title>{`${title} · FlowForge`}</title>
      <div className="gate-box">
        <Logo size={40} />
        <div>
          <h1>{title}</h1>
          <p className="dim">{lead}</p>
        </div>
        <form className="gate-form" onSubmit={submit}>
          {children}
        </form>
      </div>
    </main>
  )
}
