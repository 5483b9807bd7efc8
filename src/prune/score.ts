import { type LayerReport, reportLayers } from '../analysis/layers.js';
import type { Backend, Log2Scalars, Method, NormStatistics } from '../backend/backend.js';
import { splitMicroBatches } from '../io/data/micro-batch.js';
import type { Host } from './host.js';
import { countKept } from './masks.js';
import { parseScoreOptions, type ScoreOptions } from './options.js';
import { ProgressMeter } from './progress.js';
import { scoreRound } from './round.js';
import { checkMemory, compile, microBatches, type ScorableModel, type ScoringData } from './session.js';
import { packMasks } from './start.js';

export interface ScoreResult {
  /** S_j / R by tensor name, in parameter order, stored layout. Masked and gate-only weights are 0. */
  readonly scores: ReadonlyMap<string, Float32Array>;
  /** Base-2 logarithms of R and, for method px, of its two factors; −Infinity for 0 (the masks cut the network). */
  readonly log2: Log2Scalars;
  /** Method px: Σ_n h_k(x_n) per graph output, scaled so that the largest is 1. */
  readonly u?: ReadonlyMap<string, Float32Array>;
  readonly layers: readonly LayerReport[];
  readonly method: Method;
  readonly norm: NormStatistics;
  readonly samples: number;
  /** Sizes of the micro-batches, in order. */
  readonly microBatches: readonly number[];
  readonly dataDigest: string;
  /** The backend that computed it, e.g. "cpu avx2 (2 threads)". */
  readonly backend: string;
  /** As far as the numbers depend on it, e.g. "cpu avx2". */
  readonly backendDescription: string;
  readonly seconds: number;
}

/**
 * Scores every prunable weight once: its share in the bound of the NTK's trace.
 *
 * @throws PxError ERR_OPTION, ERR_DATA, ERR_MISMATCH (masks of another model), ERR_MEMORY, ERR_ABORTED, ERR_BACKEND, ERR_NUMERIC
 */
export async function runScore(
  model: ScorableModel,
  data: ScoringData,
  scoreOptions: ScoreOptions & { backend: Backend },
  host: Host,
): Promise<ScoreResult> {
  const options = parseScoreOptions(scoreOptions);
  const { plan } = model;
  const masks = packMasks(plan.params, options.masks);
  const sizes = splitMicroBatches(data.length, options.microBatch);
  checkMemory(plan, sizes, options, host.availableMemory());
  const dataDigest = await data.digest(options.signal);
  const began = performance.now();
  const meter = new ProgressMeter(options.onProgress, 1, 1, sizes.length, false);
  const program = await compile(model, scoreOptions.backend, options);
  try {
    program.setMasks(masks);
    const { scores, u, log2 } = await scoreRound(program, microBatches(data, sizes, options.signal), {
      signal: options.signal,
      onMicroBatch: (done) => meter.microBatch(1, done),
    });
    const roles = plan.params.map((param) => (param.gateOnly ? 'gate-only' : 'pruned'));
    return {
      scores: new Map(plan.params.map((param, id) => [param.name, scores[id]!])),
      log2,
      ...(u && { u: new Map(plan.outputs.map((output, i) => [output.name, u[i]!])) }),
      layers: reportLayers(plan.params, roles, masks.map(countKept), scores),
      method: options.method,
      norm: options.norm,
      samples: data.length,
      microBatches: sizes,
      dataDigest,
      backend: program.backend,
      backendDescription: scoreOptions.backend.description,
      seconds: (performance.now() - began) / 1000,
    };
  } finally {
    program.dispose();
  }
}
