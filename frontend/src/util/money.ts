const cents = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' })
const fine = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: 'USD',
  minimumFractionDigits: 2,
  maximumSignificantDigits: 2,
})
const count = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

/** "$12.30"; what is less than a cent keeps two digits that say something: "$0.0012". */
export function formatUsd(dollars: number): string {
  const size = Math.abs(dollars)
  return size > 0 && size < 0.01 ? fine.format(dollars) : cents.format(dollars)
}

/** "950", "12.4K", "3M". */
export const formatCount = (many: number): string => count.format(many)
