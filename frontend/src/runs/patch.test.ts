import { expect, test } from 'vitest'

import { patchLines } from './patch'

const patch = `diff --git a/a.txt b/a.txt
index 5626abf..814f4a4 100644
--- a/a.txt
+++ b/a.txt
@@ -1,2 +1,2 @@ main
 one
-two
+--- two
diff --git a/b/z b/b/z
new file mode 100755
index 0000000..f76dd23
Binary files /dev/null and b/b/z differ
`

test('each line says what it means, and heads are one line with the path', () => {
  expect(patchLines(patch).map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
    'file: a.txt',
    'place: @@ -1,2 +1,2 @@ main',
    'same:  one',
    'removed: -two',
    'added: +--- two',
    'file: b/z',
    'note: Binary files /dev/null and b/b/z differ',
  ])
})

test('an empty patch has no lines', () => {
  expect(patchLines('')).toEqual([])
})

test('a removed line that begins with dashes is no head', () => {
  const removed = 'diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n--- y\n'
  expect(patchLines(removed).at(-1)).toEqual({ kind: 'removed', text: '--- y' })
})
