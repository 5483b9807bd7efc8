import { PxError } from '../../../errors.js';
import type { LinearStep } from '../../../plan/plan.js';
import { split } from '../numbers.js';
import type { Kernel } from '../pipelines.js';
import { f32, type Recorder, type Scaled, type Tensor } from '../recorder.js';
import { type Direction, gatherDirection, type Relation, relationOf, tableOf } from '../relation.js';
import { type DataPass, type Env, StepExec, type Walk } from './step.js';

/** conv.wgsl's numbers for where a weight comes from. */
const WEIGHT = { theta: 0, mask: 1, 'theta-squared': 2 } as const;

/** Fewer rows or columns than this leave a tile mostly empty: an invocation for each output element is faster. */
const LEAST_ROWS = 6;
const LEAST_COLUMNS = 12;
const TILE_COLUMNS = 128;
/** Places whose products one part of a weight gradient adds up, at most; and how many workgroups there are to be, if they can. */
const PART_PLACES = 8192;
const PART_WORKGROUPS = 512;
const LEAST_PART = 256;
/** Elements all parts of one gradient may take together. */
const PART_ELEMENTS = 2 ** 24;

interface Mode {
  readonly weight: keyof typeof WEIGHT;
  readonly factor: number;
  readonly exponent: number;
}

/** Linear steps: f with θ·m and bias, h with m, g and j with θ²·m; the adjoint is the relation with its ends exchanged. */
export class Linear extends StepExec<LinearStep> {
  private readonly relations: Record<Direction, Relation>;

  constructor(step: LinearStep, env: Env) {
    super(step, env);
    this.relations = { forward: relationOf(step, 'forward'), adjoint: relationOf(step, 'adjoint') };
    const { size, name } = env.plan.params[step.weight.param]!;
    if (this.relations.forward.groups * this.relations.forward.rows * this.relations.forward.depth !== size)
      throw new PxError('ERR_BACKEND', `malformed plan: '${step.name}' does not use all of '${name}'`);
  }

  f(pass: DataPass): void {
    const { alpha, bias } = this.step;
    const mode: Mode = { weight: 'theta', factor: alpha, exponent: 0 };
    const x = this.input(pass);
    const y = this.output(pass);
    const offset = bias && this.env.store.constant(bias);
    this.apply(
      pass.recorder,
      'forward',
      mode,
      pass.samples,
      { x, y, bias: offset, xSlot: 0, ySlot: 0 },
      false,
    );
  }

  up(walk: Walk): void {
    const x = walk.value(this.step.inputs[0]!);
    const squared = walk.net !== 'h';
    this.scaled(walk, 'forward', this.mode(walk, squared), x, this.outputOf(walk));
    if (walk.adjoint) walk.records.set(this.step, x);
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (!d) return;
    const x = walk.records.get(this.step) as Scaled;
    if (column === 0) this.gradient(walk, d, x);
    else this.total(walk, d, x);
    const id = this.step.inputs[0]!;
    if (id === this.env.plan.input) return;
    const into = walk.recorder.scaled(x.tensor.elements);
    this.scaled(walk, 'adjoint', this.mode(walk, true), d, into);
    walk.addUpstream(column, id, into);
  }

  /** |α| in h and g, α² in j; and what (θ·2^shift)² is too large by. */
  private mode(walk: Walk, squared: boolean): Mode {
    const { alpha, weight } = this.step;
    const { mantissa, exponent } = split(walk.net === 'j' ? alpha ** 2 : Math.abs(alpha));
    const shift = squared ? -2 * this.env.store.shifts[weight.param]! : 0;
    return { weight: squared ? 'theta-squared' : 'mask', factor: mantissa, exponent: exponent + shift };
  }

  private scaled(walk: Walk, direction: Direction, mode: Mode, x: Scaled, y: Scaled): void {
    const places = { x: x.tensor, y: y.tensor, bias: undefined, xSlot: x.slot, ySlot: y.slot };
    this.apply(walk.recorder, direction, mode, walk.samples, places, true);
  }

  private table(direction: Direction): Tensor {
    const key = `${direction} table of step ${this.env.plan.steps.indexOf(this.step)}`;
    return this.env.store.table(key, () => tableOf(this.step, direction, this.relations[direction]));
  }

  private apply(
    recorder: Recorder,
    direction: Direction,
    mode: Mode,
    samples: number,
    at: { x: Tensor; y: Tensor; bias: Tensor | undefined; xSlot: number; ySlot: number },
    scaled: boolean,
  ): void {
    const relation = this.relations[direction];
    const { rows, depth, positions, groups } = relation;
    const { weights, masks, shifts } = this.env.store;
    const param = this.step.weight.param;
    const columns = samples * positions;
    const direct = rows < LEAST_ROWS || columns < LEAST_COLUMNS;
    const ty = tileRows(rows);
    const overrides = {
      WEIGHT: WEIGHT[mode.weight],
      FRACTIONAL: Number(relation.fractional),
      SCALED: Number(scaled),
    };
    const tiles = direct
      ? columns * groups * rows
      : Math.ceil(rows / (8 * ty)) * Math.ceil(columns / TILE_COLUMNS) * groups;
    const params = [
      ...[rows, depth, positions, columns, groups, relation.rowWeights, relation.groupWeights],
      ...[relation.xSample, relation.xGroup, relation.ySample, relation.yGroup, relation.yRow],
      ...[at.xSlot, at.ySlot, mode.exponent, f32(mode.factor), f32(2 ** shifts[param]!)],
      ...[Number(at.bias !== undefined), this.status, tiles],
      ...[relation.xSize, relation.ySize, relation.stride, relation.xStride, relation.yStride].flatMap(
        padded,
      ),
    ];
    const tensors = [at.x, weights[param], masks[param], this.table(direction), at.bias, at.y];
    const cost = 2 * columns * groups * rows * depth;
    if (direct) {
      recorder.strided({ shader: 'conv_direct', overrides }, tensors, params, tiles, 64, cost);
    } else {
      recorder.tiled({ shader: 'conv', overrides: { ...overrides, TY: ty } }, tensors, params, tiles, cost);
    }
  }

  /** The weight gradient, of the upstream that decides about the scores. */
  private gradient(walk: Walk, d: Scaled, x: Scaled): void {
    const { recorder, samples } = walk;
    const direction = gatherDirection(this.step);
    const relation = this.relations[direction];
    const [straight, gathered] = direction === 'forward' ? [d, x] : [x, d];
    const { rows, depth, positions, groups } = relation;
    const { param } = this.step.weight;
    const { size } = this.env.plan.params[param]!;
    const places = samples * positions;
    const direct = rows < LEAST_ROWS || depth < LEAST_COLUMNS;
    const ty = tileRows(rows);
    const blocks = Math.ceil(rows / (8 * ty)) * Math.ceil(depth / TILE_COLUMNS) * groups;
    const part = direct ? places : partPlaces(places, blocks, size);
    const parts = Math.ceil(places / part);
    const tiles = direct ? size : blocks * parts;
    const params = [
      ...[rows, depth, positions, places, part, size, relation.rowWeights, relation.groupWeights],
      ...[relation.ySample, relation.yGroup, relation.yRow, relation.xSample, relation.xGroup],
      ...[straight.slot, gathered.slot, tiles],
      ...[relation.xSize, relation.ySize, relation.stride, relation.xStride, relation.yStride].flatMap(
        padded,
      ),
    ];
    const partial = recorder.tensor(parts * size);
    const tensors = [straight.tensor, gathered.tensor, this.table(direction), partial];
    const cost = 2 * places * size;
    if (direct) recorder.strided({ shader: 'grad_direct', overrides: {} }, tensors, params, tiles, 1, cost);
    else recorder.tiled({ shader: 'grad', overrides: { TY: ty } }, tensors, params, tiles, cost);
    const { factor, exponent } = this.mode(walk, true);
    const gradient = recorder.scaled(size);
    recorder.strided(
      { shader: 'fold', overrides: {} } satisfies Kernel,
      [partial, gradient.tensor],
      [size, parts, straight.slot, gathered.slot, gradient.slot, exponent, f32(factor), 0],
      size,
    );
    walk.addGradient(param, gradient);
  }

  /** Of the upstream of ones only the sum over all weights is wanted: with every kept weight 1 the step is linear in them together. */
  private total(walk: Walk, d: Scaled, x: Scaled): void {
    const y = walk.recorder.scaled(walk.samples * this.outSize);
    this.scaled(walk, 'forward', this.mode(walk, false), x, y);
    walk.totals.push([d, y]);
  }
}

const padded = (values: readonly number[]) => [...values, 0];

/** Rows of invocations in a tile, each of 8 channels. */
function tileRows(rows: number): number {
  return rows <= 16 ? 2 : rows <= 32 ? 4 : 8;
}

/** How many places one workgroup adds up: few enough for accuracy and for all cores of the device, as far as the parts find room. */
function partPlaces(places: number, blocks: number, size: number): number {
  const forCores = Math.floor(PART_WORKGROUPS / blocks);
  const forAccuracy = Math.ceil(places / PART_PLACES);
  const most = Math.max(1, Math.min(Math.ceil(places / LEAST_PART), Math.floor(PART_ELEMENTS / size)));
  const parts = Math.max(1, Math.min(Math.max(forCores, forAccuracy), most));
  return 16 * Math.ceil(places / parts / 16);
}
