export type Piece = { text: string; tone: string | null; bold: boolean }

// The eight colours of a terminal, by the tokens that come nearest to them in both themes.
const tones: Record<number, string> = {
  30: 'idle',
  31: 'failed',
  32: 'success',
  33: 'waiting',
  34: 'running',
  35: 'cancelled',
  36: 'running',
  90: 'idle',
  91: 'failed',
  92: 'success',
  93: 'waiting',
  94: 'running',
  95: 'cancelled',
  96: 'running',
}

/** Splits a line by its colour codes; every other escape sequence is left out. */
export function parseAnsi(line: string): Piece[] {
  if (!line.includes('\u001b')) return [{ text: line, tone: null, bold: false }]
  const pieces: Piece[] = []
  let tone: string | null = null
  let bold = false
  for (const part of line.split(/(\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\))/)) {
    const codes = /^\u001b\[([0-9;]*)m$/.exec(part)
    if (codes) {
      for (const code of (codes[1] || '0').split(';').map(Number)) {
        if (code === 0 || code === 39) tone = null
        if (code === 0 || code === 22) bold = false
        if (code === 1) bold = true
        tone = tones[code] ?? tone
      }
    } else if (part && !part.startsWith('\u001b')) pieces.push({ text: part, tone, bold })
  }
  return pieces
}
