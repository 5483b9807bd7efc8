import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    environment: 'node',
    // Processes, not threads: the addon's own thread pool and signals behave as they do for users.
    pool: 'forks',
    // Networks are scored over many rounds in some tests; the machine may have two slow cores.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
