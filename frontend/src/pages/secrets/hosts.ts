/**
 * Whether a value could be sent to further hosts than before. Only who knows the value may decide that, so the server asks
 * for it once more. Without any host it may be sent everywhere.
 */
export const isWider = (before: readonly string[], after: readonly string[]): boolean =>
  before.length > 0 && (after.length === 0 || after.some((host) => !before.includes(host.toLowerCase())))

const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

/** Why a name cannot be given; null when it can. */
export function nameRefusal(name: string, taken: readonly string[]): string | null {
  if (!namePattern.test(name)) return 'A letter or _, then letters, digits and _; at most 64.'
  return taken.includes(name) ? 'There is a secret of this name. Replace its value instead.' : null
}

const shortest = 8

export const valueRefusal = (value: string): string | null =>
  value.length < shortest ? `At least ${shortest} characters: a shorter one could not be hidden in logs.` : null
