/**
 * How the SPA is developed, tested and built.
 *
 * Owns the dev proxy (REST and the room socket go to the backend), the test environment and the
 * chunks: frameworks apart from the app, the map only when it is shown.
 */
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const backend = 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [react()],
  server: {
    host: '127.0.0.1',
    proxy: {
      '/api': { target: backend, ws: true },
      '/health': { target: backend },
    },
  },
  preview: { host: '127.0.0.1' },
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    sourcemap: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'map', test: /node_modules[\\/](leaflet|topojson-client)[\\/]/, priority: 30 },
            // What several parts share goes into few chunks: many small ones compress badly and cost a request each.
            { name: 'vendor', test: /node_modules[\\/](@radix-ui|@floating-ui|lucide-react|i18next|react-i18next|zustand|aria-hidden|react-remove-scroll|use-)/, minShareCount: 2, priority: 15 },
            { name: 'base', test: /src[\\/](api|app|ui|i18n[\\/](index|format)|features[\\/]home[\\/]demo)/, minShareCount: 2, priority: 12 },
            { name: 'room', test: /src[\\/](store|realtime|features[\\/](room|board|presence|history[\\/]values|talk[\\/](anchor|ui)|proposals[\\/]ui))/, minShareCount: 2, priority: 10 },
            { name: 'react', test: /node_modules[\\/](react|react-dom|react-router|scheduler)[\\/]/, priority: 20 },
          ],
        },
      },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
    maxWorkers: 2,
  },
})
