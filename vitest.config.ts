import { defineConfig } from 'vitest/config'

// Kinds of tests (bin/test unit | integration | e2e): what is near the code and needs nothing, what needs the real thing
// beside it, and the whole product. Real things share one machine of few cores: files run one after another there.
const real = { testTimeout: 60_000, hookTimeout: 120_000, fileParallelism: false, pool: 'forks' as const }

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', testTimeout: 30_000, include: ['src/**/*.test.ts', 'test/*.test.ts', 'tools/**/*.test.ts'], exclude: ['**/*.{integration,builds}.test.ts', '**/node_modules/**'], maxWorkers: 2 } },
      { test: { name: 'integration', include: ['src/**/*.integration.test.ts'], ...real } },
      // What takes minutes: attacks on the build box, every language. bin/test builds
      { test: { name: 'builds', include: ['src/**/*.builds.test.ts'], ...real, testTimeout: 300_000, hookTimeout: 300_000 } },
      // Faults of every kind, at every moment: about an hour. bin/test proof
      { test: { name: 'proof', include: ['test/proof/**/*.test.ts'], ...real, testTimeout: 300_000, hookTimeout: 300_000 } },
      // A whole Debian 13 in QEMU, one after the other what a new user does, power cuts, an upgrade: over an hour. bin/test machines
      { test: { name: 'machines', include: ['test/machines/**/*.test.ts'], ...real, testTimeout: 7_200_000, hookTimeout: 900_000 } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...real, testTimeout: 180_000 } },
    ],
  },
})
