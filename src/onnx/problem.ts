import { PxError, type PxErrorCode } from '../errors.js';

/** A node that cannot be treated, as data for `px inspect` and as a line of the error that refuses the model. */
export interface Problem {
  readonly node: string;
  readonly op: string;
  readonly domain: string;
  readonly opset: number;
  readonly reason: string;
  readonly remedy: string;
  readonly code: PxErrorCode;
}

/** Thrown inside a converter; the importer turns it into a Problem and goes on, so that all are reported at once. */
export class NodeProblem extends Error {
  constructor(
    readonly code: PxErrorCode,
    readonly reason: string,
    readonly remedy: string,
  ) {
    super(reason);
  }
}

export function describeProblem(problem: Problem): string {
  const op = problem.domain === '' ? problem.op : `${problem.domain}.${problem.op}`;
  const remedy = problem.remedy === '' ? '' : `; ${problem.remedy}`;
  return `${op} "${problem.node}" (opset ${problem.opset}): ${problem.reason}${remedy}`;
}

/** A message is for reading; px inspect lists all. */
const MAX_LISTED = 200;

/** One error for all problems: ERR_FILE when the file contradicts itself, else ERR_UNSUPPORTED. */
export function problemsError(where: string, problems: readonly Problem[]): PxError {
  const code = problems.some((problem) => problem.code === 'ERR_FILE')
    ? 'ERR_FILE'
    : (problems[0] as Problem).code;
  const shown = problems.slice(0, MAX_LISTED);
  const lines = shown.map((problem) => `  ${describeProblem(problem)}`);
  const count =
    problems.length === 1
      ? 'a node that cannot be treated'
      : `${problems.length} nodes that cannot be treated`;
  if (problems.length > shown.length) lines.push(`  and ${problems.length - shown.length} more`);
  return new PxError(code, `${where} has ${count}:\n${lines.join('\n')}`);
}
