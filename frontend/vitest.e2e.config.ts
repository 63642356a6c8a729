import { defineConfig } from 'vitest/config'

// Drives a real browser against a running server; see e2e/forge.ts for the variables it reads.
export default defineConfig({
  test: { include: ['e2e/*.test.ts'], testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false },
})
