/** Another implementation of PX, in Python, measured beside this one in the same run. */
import { spawn } from 'node:child_process';
import { randomMasks } from '../src/bench/inputs.js';
import { type BenchModel, compileFor, type RoundSetting, timeRound } from '../src/bench/rounds.js';
import { inTurns, median, medianSeconds, type Sample } from '../src/bench/sampling.js';
import { PxError } from '../src/errors.js';
import type { MicroBatch } from '../src/prune/round.js';

export interface Peer {
  /**
   * A script that takes `MODEL BATCH --method M --style S --rounds N --threads N --density D --size N` and prints, as its last line, JSON with
   * `round_s` and `forward_s`: the median seconds of a round, and of a plain forward of the same batch.
   */
  readonly script: string;
  readonly python: string;
}

/** Networks of `px new` that the peer has, too, layer for layer. */
export const PEER_MODELS: readonly string[] = ['resnet20', 'resnet18', 'resnet50', 'mobilenet_v2'];

/** How the peer is written: after the public research code, or as a competent user would. */
export type Style = 'published' | 'lean';

export interface PeerTiming {
  readonly style: Style;
  /** Seconds of a round and of a forward, one of each for every turn. */
  readonly rounds: readonly number[];
  readonly forwards: readonly number[];
}

export interface Comparison extends RoundSetting {
  readonly model: string;
  readonly batch: number;
  readonly density: number;
  readonly ours: readonly Sample[];
  readonly peers: readonly PeerTiming[];
}

export interface CompareOptions extends RoundSetting {
  readonly name: string;
  readonly density: number;
  /** Turns each side takes, and rounds of a turn. */
  readonly turns: number;
  readonly rounds: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Ours, the peer, ours, the peer in its other style, and again: medians of what lies close together in time. */
export async function compare(
  peer: Peer,
  model: BenchModel,
  batch: MicroBatch,
  options: CompareOptions,
): Promise<Comparison> {
  const { name, density, turns, rounds, seed, signal, ...setting } = options;
  const styles: Style[] = setting.method === 'px' ? ['published', 'lean'] : ['lean'];
  const program = await compileFor(model, setting);
  const ours: Sample[] = [];
  try {
    const masks = randomMasks(model.plan.params, density, seed);
    const scores = model.plan.params.map((param) => new Float32Array(param.size));
    const turn = async () => {
      for (let round = 0; round <= rounds; round++) {
        const sample = await timeRound(program, masks, [batch], { signal, scores });
        if (round > 0) ours.push(sample); // the first warms up, as the peer's does
      }
    };
    const { plan } = model;
    const size = plan.values[plan.input]!.shape.at(-1)!;
    const contestants = styles.map((style) => async () => {
      await turn();
      const args = [name, batch.samples, '--method', setting.method, '--style', style, '--rounds', rounds];
      return runPeer(
        peer,
        [...args, '--threads', setting.threads, '--density', density, '--size', size],
        signal,
      );
    });
    const theirs = await inTurns(contestants, turns, signal);
    const peers = styles.map((style, i) => ({
      style,
      rounds: theirs[i]!.map(({ round }) => round),
      forwards: theirs[i]!.map(({ forward }) => forward),
    }));
    return { ...setting, model: name, batch: batch.samples, density, ours, peers };
  } finally {
    program.dispose();
  }
}

/** Ours over a forward of the peer's, and over its round in each style: below 1 is faster. */
export function ratios({ ours, peers }: Comparison): { forward: number; styles: Map<Style, number> } {
  const seconds = medianSeconds(ours);
  return {
    forward: seconds / median(peers.flatMap(({ forwards }) => forwards)),
    styles: new Map(peers.map(({ style, rounds }) => [style, seconds / median(rounds)])),
  };
}

async function runPeer(
  { script, python }: Peer,
  args: readonly (string | number)[],
  signal: AbortSignal | undefined,
): Promise<{ round: number; forward: number }> {
  const child = spawn(python, [script, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause) =>
      reject(failed(`${python} could not be started: ${cause.message}`, signal, cause)),
    );
    child.on('close', resolve);
  });
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (status !== 0 || !line.startsWith('{')) {
    const said = stderr.trim().split('\n').at(-1) ?? '';
    throw failed(`the peer ${script} ended with ${status ?? 'a signal'}: ${said}`, signal);
  }
  const { round_s: round, forward_s: forward } = JSON.parse(line) as Record<string, unknown>;
  if (typeof round !== 'number' || typeof forward !== 'number')
    throw failed(`the peer ${script} printed no round_s and forward_s: ${line}`, signal);
  return { round, forward };
}

function failed(message: string, signal: AbortSignal | undefined, cause?: unknown): PxError {
  if (signal?.aborted === true) return new PxError('ERR_ABORTED', 'stopped on request', { cause });
  return new PxError('ERR_BACKEND', `${message}; see --peer and --python`, { cause });
}
