import { lazy, Suspense } from 'react'

export type CodeEditorProps = {
  id?: string
  label: string
  value: string
  onChange?: (value: string) => void
  language: 'javascript' | 'json' | 'shell' | 'text'
  placeholder?: string
  invalid?: boolean
  minHeight?: number
}

// A third of the app's size, and most visits never open it.
const Editor = lazy(() => import('./CodeMirror'))

export function CodeEditor(props: CodeEditorProps) {
  return (
    <Suspense fallback={<div className="code-editor code-wait" />}>
      <Editor {...props} />
    </Suspense>
  )
}
