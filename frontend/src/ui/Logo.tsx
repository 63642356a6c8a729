/** Three steps joined by two lines. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="7" fill="#2B50D8" />
      <g fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round">
        <path d="M11.5 10h3.2c2.3 0 2.3 12 4.6 12h1.6" />
        <path d="M14.7 10h6.2" />
      </g>
      <g fill="#fff">
        <circle cx="9" cy="10" r="3.4" />
        <circle cx="23.4" cy="10" r="3.4" />
        <circle cx="23.4" cy="22" r="3.4" />
      </g>
    </svg>
  )
}
