/** A line of a patch, and what it means. */
export type PatchLine = { kind: 'file' | 'place' | 'added' | 'removed' | 'same' | 'note'; text: string }

const isHead = (line: string) =>
  /^(diff --git|index |old mode|new mode|new file|deleted file|similarity|rename|---|\+\+\+) ?/.test(line)

/** The lines of a patch as git writes it. What stands above a file's first change is folded into one line with its path. */
export function patchLines(patch: string): PatchLine[] {
  const lines: PatchLine[] = []
  let inHead = false
  for (const text of patch.replace(/\n$/, '').split('\n')) {
    if (text.startsWith('diff --git ')) {
      inHead = true
      lines.push({ kind: 'file', text: text.slice('diff --git '.length).replace(/^"?a\/.*? "?b\/(.*?)"?$/, '$1') })
    } else if (inHead && isHead(text)) {
      continue
    } else if (text.startsWith('@@')) {
      inHead = false
      lines.push({ kind: 'place', text })
    } else {
      inHead = false
      lines.push({ kind: kindOf(text), text })
    }
  }
  return patch === '' ? [] : lines
}

function kindOf(line: string): PatchLine['kind'] {
  switch (line[0]) {
    case '+':
      return 'added'
    case '-':
      return 'removed'
    case ' ':
      return 'same'
    default:
      return 'note'
  }
}
