import { defineConfig } from 'vitest/config'

// Scenes that are played by name, each against a server that has what its first lines ask for.
export default defineConfig({
  test: { include: ['e2e/*.scene.ts'], testTimeout: 240_000, hookTimeout: 60_000 },
})
