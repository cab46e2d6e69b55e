import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests start real profilers on a machine of two cores: files one after another keep their shares true.
    maxWorkers: 2,
    // Real profilers on a machine that others may use too: one more try, which the report names.
    retry: 1,
  },
});
