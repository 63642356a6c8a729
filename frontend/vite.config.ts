import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.FLOWFORGE_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  // Font files are never inlined: the server's content policy allows fonts from its own address only.
  build: { target: 'es2022', assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
  server: { proxy: { '/api': server, '/health': server, '/hooks': server } },
})
