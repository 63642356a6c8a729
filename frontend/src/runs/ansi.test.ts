import { expect, test } from 'vitest'

import { parseAnsi } from './ansi'

const show = (line: string) => parseAnsi(line).map(({ text, tone, bold }) => `${tone ?? '-'}${bold ? '!' : ''}:${text}`)

test('colours become tones, other sequences vanish', () => {
  expect(show('plain')).toEqual(['-:plain'])
  expect(show('\u001b[1;32mok\u001b[0m done\u001b[2K')).toEqual(['success!:ok', '-: done'])
  expect(show('\u001b]8;;http://x\u0007link\u001b[31mred\u001b[39mend')).toEqual(['-:link', 'failed:red', '-:end'])
})
