/**
 * Prints "N passed, N failed" from vitest's JSON report and ends with 1 if anything failed.
 *
 *   node .ci/summary.mjs REPORT EXIT_STATUS_OF_THE_TEST_RUN [NAME_OF_A_FAILED_STEP...]
 */
import { existsSync, readFileSync } from 'node:fs';

const [report, status, ...steps] = process.argv.slice(2);
let passed = 0;
let failed = 0;
if (existsSync(report)) {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
  // A file that cannot be loaded fails without having a failed test.
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  for (const file of broken) console.log(`failed to run: ${file.name}\n${file.message}`);
  passed = numPassedTests;
  failed = numFailedTests + broken.length;
}
// The run itself failed, or nothing ran: never report that as success.
if (failed === 0 && (status !== '0' || passed === 0)) failed = 1;
for (const step of steps) console.log(`failed step: ${step}`);
failed += steps.length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
