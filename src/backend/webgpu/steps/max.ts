import { PxError } from '../../../errors.js';
import type { AxisMap, MaxStep } from '../../../plan/plan.js';
import { identity, transposed } from '../axis-maps.js';
import { sizeOf, stridesOf } from '../places.js';
import type { Scaled, Tensor } from '../recorder.js';
import { throughAxes } from './fixed.js';
import { type DataPass, type Env, StepExec, type Walk } from './step.js';

const AXES = 4;

/** Windows over at most four axes, as max.wgsl has them. */
interface Windows {
  readonly inShape: readonly number[];
  readonly outShape: readonly number[];
  readonly maps: readonly AxisMap[];
}

/** The maximum of each window; h and j go where f chose, g sums the window. */
export class Max extends StepExec<MaxStep> {
  private readonly windows: Windows;
  private readonly sums: readonly AxisMap[];
  private readonly adjoints: readonly AxisMap[];

  constructor(step: MaxStep, env: Env) {
    super(step, env);
    this.windows = joined(step, this.inShape(), this.outShape);
    this.sums = step.axes.map((map) => ({ ...map, value: new Float32Array(map.index.length).fill(1) }));
    this.adjoints = this.sums.map(transposed);
  }

  override forward(pass: DataPass): void {
    const { recorder, samples } = pass;
    const walk = this.signal ? pass.companion : undefined;
    const { inShape, outShape, maps } = this.windows;
    const x = this.input(pass);
    const y = this.output(pass);
    const c = walk?.value(this.step.inputs[0]!);
    const out = walk && this.outputOf(walk);
    const count = samples * this.outSize;
    const choices = walk?.adjoint ? recorder.tensor(count) : undefined;
    const { table, starts, indices } = packed(maps);
    recorder.strided(
      {
        shader: 'max',
        overrides: { COMPANION: Number(walk !== undefined), RECORD: Number(choices !== undefined) },
      },
      [x, c?.tensor, this.table('rows', table), y, out?.tensor, choices],
      [
        ...[count, this.status, c?.slot ?? 0, out?.slot ?? 0, sizeOf(inShape), sizeOf(outShape), 0, 0],
        ...[...outShape, ...stridesOf(inShape), ...starts, ...indices],
      ],
      count,
      256,
      count * maps.reduce((terms, map) => terms * (map.index.length / map.outSize), 2),
    );
    if (choices) walk!.records.set(this.step, choices);
  }

  f(pass: DataPass): void {
    this.forward(pass);
  }

  up(walk: Walk): void {
    const x = walk.value(this.step.inputs[0]!);
    walk.values[this.step.output] = throughAxes(walk, this.env, this.sums, x, this.inShape());
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (!d) return;
    const back =
      walk.net === 'g'
        ? throughAxes(walk, this.env, this.adjoints, d, this.outShape)
        : this.scattered(walk, d);
    walk.addUpstream(column, this.step.inputs[0]!, back);
  }

  private scattered(walk: Walk, d: Scaled): Scaled {
    const { inShape, outShape, maps } = this.windows;
    const { table, starts, indices } = packed(maps.map(transposed));
    const count = walk.samples * sizeOf(inShape);
    const out = walk.recorder.scaled(count);
    walk.recorder.strided(
      { shader: 'max_adjoint', overrides: {} },
      [d.tensor, walk.records.get(this.step) as Tensor, this.table('columns', table), out.tensor],
      [
        ...[count, d.slot, out.slot, sizeOf(inShape), sizeOf(outShape), 0, 0, 0],
        ...[...inShape, ...stridesOf(outShape), ...starts, ...indices],
      ],
      count,
      256,
      count * maps.reduce((terms, map) => terms * (map.index.length / map.inSize), 2),
    );
    return out;
  }

  private table(what: string, table: Uint32Array): Tensor {
    return this.env.store.table(`${what} of step ${this.env.plan.steps.indexOf(this.step)}`, () => table);
  }
}

/** Four axes: neighbours that no window spans become one, missing ones are put in front. @throws PxError ERR_BACKEND */
function joined(step: MaxStep, inShape: readonly number[], outShape: readonly number[]): Windows {
  const maps: AxisMap[] = [];
  let open = false;
  inShape.forEach((size, axis) => {
    const map = step.axes.find((one) => one.axis === axis);
    if (map) maps.push(map);
    else if (open) {
      const before = maps.pop()!;
      maps.push(identity(maps.length, before.inSize * size));
    } else maps.push(identity(maps.length, size));
    open = map === undefined;
  });
  if (maps.length > AXES)
    throw new PxError(
      'ERR_BACKEND',
      `webgpu: the windows of node '${step.name}' lie in ${maps.length} separate axes, more than ${AXES}; use the cpu backend`,
    );
  while (maps.length < AXES) maps.unshift(identity(0, 1));
  const windows = { maps, inShape: maps.map((m) => m.inSize), outShape: maps.map((m) => m.outSize) };
  if (sizeOf(windows.outShape) !== sizeOf(outShape))
    throw new PxError('ERR_BACKEND', `malformed plan: '${step.name}'`);
  return windows;
}

/** All rows in one array: per axis its starts, then its indices. */
function packed(maps: readonly AxisMap[]): { table: Uint32Array; starts: number[]; indices: number[] } {
  const starts: number[] = [];
  const indices: number[] = [];
  const all: number[] = [];
  for (const { start, index } of maps) {
    starts.push(all.length);
    for (const v of start) all.push(v);
    indices.push(all.length);
    for (const v of index) all.push(v);
  }
  return { table: Uint32Array.from(all), starts, indices };
}
