import { closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { javascript } from '@codemirror/lang-javascript'
import { json, jsonParseLinter } from '@codemirror/lang-json'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { linter } from '@codemirror/lint'
import { EditorState, type Extension } from '@codemirror/state'
import { EditorView, highlightSpecialChars, keymap, lineNumbers, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useCallback, useEffect, useRef } from 'react'

import type { CodeEditorProps } from './CodeEditor'

const style = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--cancelled)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--success)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--waiting)' },
  { tag: [tags.comment], color: 'var(--text-dim)', fontStyle: 'italic' },
  { tag: [tags.propertyName, tags.function(tags.variableName)], color: 'var(--running)' },
])

/** No JSON, and yet no mistake: nothing at all, or one expression that gives the whole value. */
const isPlain = (text: string): boolean => text.trim() === '' || /^\s*\{\{.*\}\}\s*$/s.test(text)

const languages: Record<CodeEditorProps['language'], () => Extension> = {
  javascript: () => javascript(),
  json: () => [json(), linter((view) => (isPlain(view.state.doc.toString()) ? [] : jsonParseLinter()(view)))],
  shell: () => [],
  text: () => [],
}

export default function CodeMirror(props: CodeEditorProps) {
  const { id, label, value, language, invalid, minHeight } = props
  const editable = Boolean(props.onChange)
  const view = useRef<EditorView | null>(null)
  const latest = useRef(props)
  latest.current = props
  // A value that did not come from typing here (an undo, say) replaces the text.
  useEffect(() => {
    const editor = view.current
    if (editor && editor.state.doc.toString() !== value) replace(editor, value)
  }, [value])

  const attach = useCallback(
    (parent: HTMLDivElement | null) => {
      if (!parent) return
      const editor = new EditorView({
        parent,
        doc: latest.current.value,
        extensions: [
          lineNumbers(),
          highlightSpecialChars(),
          history(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          syntaxHighlighting(style),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap]),
          languages[language](),
          placeholder(latest.current.placeholder ?? ''),
          EditorState.readOnly.of(!editable),
          EditorView.editable.of(editable),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label, ...(id && { id }) }),
          EditorView.updateListener.of((update) => {
            const text = update.state.doc.toString()
            if (update.docChanged && text !== latest.current.value) latest.current.onChange?.(text)
          }),
        ],
      })
      view.current = editor
      return () => {
        view.current = null
        editor.destroy()
      }
    },
    [id, label, language, editable],
  )
  return (
    <div
      ref={attach}
      className="code-editor"
      data-invalid={invalid || undefined}
      style={minHeight ? ({ '--code-height': `${minHeight}px` } as React.CSSProperties) : undefined}
    />
  )
}

function replace(editor: EditorView, value: string): void {
  editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
}
