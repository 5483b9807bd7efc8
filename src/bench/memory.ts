import { readFileSync, writeFileSync } from 'node:fs';

/**
 * The most memory this process held since `reset`: the high-water mark of its resident set, in bytes. Linux lets the mark be set
 * back; elsewhere it is that of the whole life of the process.
 */
export class HighWater {
  readonly before: number = process.memoryUsage.rss();

  /** Starts counting afresh. */
  constructor() {
    try {
      writeFileSync('/proc/self/clear_refs', '5');
    } catch {
      // Not Linux, or not allowed: the mark of the whole life is still an upper bound.
    }
  }

  get bytes(): number {
    try {
      const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
      if (found) return Number(found[1]) * 1024;
    } catch {
      // Not Linux.
    }
    return process.resourceUsage().maxRSS * 1024;
  }
}
