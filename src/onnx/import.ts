import { PxError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, ValueId } from '../graph/graph.js';
import { intTensor, sizeOf, type Tensor } from '../graph/tensor.js';
import { type Batch, computedWeight, type Constant, type Input, NodeContext, viewConstant } from './context.js';
import { isFloatType } from './data-types.js';
import { foldNode } from './fold/index.js';
import { dataInput, type InputSize, sampleShape } from './input-shape.js';
import { ATTENTION, ATTENTION_REMEDY, refusal } from './ops/refused.js';
import { NodeProblem, type Problem, problemsError } from './problem.js';
import type { OnnxModel, OnnxNode, TensorRecord } from './proto.js';
import { findConverter, NEWEST_OPSET, OLDEST_OPSET } from './registry.js';
import { squeezeAxes, targetShape, unsqueezeShape } from './shapes.js';
import { readTensor } from './tensor-data.js';
import { reshapeWeight, transposeWeight, wholeWeight } from './weight-view.js';

/** A prime no dimension of a real model equals. */
const BATCH_PROBE = 1_000_003;
const WEIGHTED = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);
/** Through these a weight is still recognised. */
const WEIGHT_VIEWS = new Set(['Identity', 'Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Cast']);

export interface ImportOptions extends InputSize {
  /** Names of graph outputs that count; default all. */
  readonly outputs?: readonly string[];
}

export interface Imported {
  readonly graph: Graph;
  readonly inputName: string;
  /** Shape of one sample. */
  readonly inputShape: readonly number[];
  /** The batch size the file fixes, if it does. */
  readonly bakedBatch?: number;
  /** Problems of nodes that no chosen output needs. */
  readonly ignored: readonly Problem[];
  readonly warnings: readonly string[];
  /** Tensors that some node uses as an ordinary constant, and so cannot be pruned. */
  readonly usedAsConstant: ReadonlyMap<string, string>;
}

/** What an ONNX name stands for; `poison` is the result of a node with a problem. */
type Entry = Input | { readonly kind: 'poison'; readonly report?: () => void };

/**
 * Turns a decoded model into a Graph: folds constants, follows weights through views, converts every node, and finds all
 * problems before it gives up.
 *
 * @throws PxError ERR_UNSUPPORTED or ERR_FILE listing every node at fault; ERR_OPTION for an unknown output or open input size
 */
export function importModel(model: OnnxModel, options: ImportOptions = {}): Imported {
  return new Importer(model, options).run();
}

export interface PartlyImported extends Omit<Imported, 'ignored' | 'usedAsConstant'> {
  /** As the file declares the input. */
  readonly declared: readonly (number | string)[];
  /** Problems that would refuse the model; its graph then ends where they lie, and has the outputs that can be computed. */
  readonly blocking: readonly Problem[];
}

/** As importModel, but hands out what can be understood together with the problems. @throws PxError ERR_OPTION, ERR_FILE */
export function importPartly(model: OnnxModel, options: ImportOptions = {}): PartlyImported {
  return new Importer(model, options).runPartly();
}

class Importer {
  private readonly problems: { readonly index: number; readonly problem: Problem }[] = [];
  private readonly where: string;
  private readonly entries = new Map<string, Entry>();
  private readonly producers = new Map<string, number>();
  private readonly builder = new GraphBuilder();
  private readonly usedAsConstant = new Map<string, string>();
  private readonly warnings: string[] = [];
  private readonly opset: number;
  private readonly batch: Batch;
  private readonly input: { id: ValueId; name: string; shape: readonly number[]; declared: readonly (number | string)[] };

  constructor(
    private readonly model: OnnxModel,
    private readonly options: ImportOptions,
  ) {
    this.where = model.file ?? 'the model';
    this.opset = this.standardOpset();
    const info = dataInput(model, this.where);
    const { shape, baked } = sampleShape(info, options, this.where);
    this.batch = { probe: BATCH_PROBE, ...(baked === undefined ? {} : { baked }) };
    this.input = { id: this.builder.value(info.name, shape), name: info.name, shape, declared: info.dims ?? [] };
    this.entries.set(info.name, { kind: 'value', value: { id: this.input.id, shape } });
    const constants = new Set(model.graph.nodes.filter((node) => node.opType === 'Constant').flatMap((node) => node.outputs));
    for (const record of model.tensors.values()) {
      if (!constants.has(record.name)) this.define(record.name, { kind: 'constant', constant: this.stored(record) });
    }
  }

  run(): Imported {
    const { chosen, blocking, ignored } = this.convertAll();
    if (blocking.length > 0) throw problemsError(this.where, blocking);
    const outputs = chosen.map((name) => {
      const entry = this.entries.get(name);
      if (entry?.kind === 'value') return { name, value: entry.value.id };
      const why = entry === undefined ? 'is not produced by any node' : 'does not depend on the input';
      throw new PxError('ERR_FILE', `${this.where}: output "${name}" ${why}`);
    });
    return { ...this.result(outputs), ignored, usedAsConstant: this.usedAsConstant };
  }

  runPartly(): PartlyImported {
    const { chosen, blocking } = this.convertAll();
    const outputs = chosen.flatMap((name) => {
      const entry = this.entries.get(name);
      return entry?.kind === 'value' ? [{ name, value: entry.value.id }] : [];
    });
    return { ...this.result(outputs), declared: this.input.declared, blocking };
  }

  private result(outputs: Graph['outputs']) {
    return {
      graph: this.builder.build(this.input.id, outputs),
      inputName: this.input.name,
      inputShape: this.input.shape,
      ...(this.batch.baked === undefined ? {} : { bakedBatch: this.batch.baked }),
      warnings: this.warnings,
    };
  }

  /** Converts every node, and tells the problems of nodes that the chosen outputs need from the rest. */
  private convertAll() {
    this.model.graph.nodes.forEach((node, index) => this.visit(node, index));
    // An output may name an optional result that no converter gives.
    for (const { name } of this.model.graph.outputs) {
      const entry = this.entries.get(name);
      if (entry?.kind === 'poison') entry.report?.();
    }
    const chosen = this.chosenOutputs();
    const needed = this.ancestors(chosen);
    const split = (wanted: boolean) => this.problems.filter(({ index }) => needed.has(index) === wanted).map(({ problem }) => problem);
    return { chosen, blocking: split(true), ignored: split(false) };
  }

  private visit(node: OnnxNode, index: number): void {
    for (const output of node.outputs) if (output !== '') this.producers.set(output, index);
    const opset = node.domain === '' ? this.opset : (this.model.opsets.get(node.domain) ?? 1);
    const report = (code: Problem['code'], reason: string, remedy: string) => {
      const { name, opType: op, domain } = node;
      this.problems.push({ index, problem: { node: name, op, domain, opset, reason, remedy, code } });
    };
    let results: readonly Entry[] = [];
    let poisoned = true;
    try {
      const inputs = this.inputsOf(node);
      const isFunction = this.model.functions.includes(`${node.domain}::${node.opType}`);
      const known = findConverter(node.domain, node.opType, opset);
      const unknown = () => {
        const { reason, remedy } = refusal(node.opType, node.domain, isFunction);
        throw new NodeProblem('ERR_UNSUPPORTED', reason, remedy);
      };
      if (inputs === undefined) {
        // Its inputs are somebody else's problem; a node that could not be treated anyway is one of its own.
        if (known === undefined && node.opType !== 'Shape' && node.opType !== 'Size') unknown();
        this.checkWeight(node);
      } else {
        const ctx = new NodeContext(
          node,
          opset,
          this.batch,
          inputs,
          this.builder,
          (tensor) => this.noteUse(tensor, node),
          (record) => readTensor(this.model, record),
        );
        const relevant = node.opType === 'CastLike' ? inputs.slice(0, 1) : inputs;
        const constant = relevant.every((input) => input?.kind !== 'value');
        if (node.domain === '' && (node.opType === 'Shape' || node.opType === 'Size')) results = [this.shapeOf(ctx)];
        // A subgraph may read any value from outside; its inputs do not tell what it depends on.
        else if ([...node.attributes.values()].some((attribute) => attribute.hasGraph)) unknown();
        else if (constant) results = this.constants(ctx) ?? uncomputable(ctx);
        else if (known === undefined) unknown();
        else {
          const values = known(ctx);
          const list = typeof values === 'number' ? [values] : values;
          results = list.map((id): Entry => ({ kind: 'value', value: { id, shape: this.builder.shape(id) } }));
        }
        poisoned = false;
      }
    } catch (error) {
      if (error instanceof NodeProblem) report(error.code, error.reason, error.remedy);
      else if (error instanceof PxError && error.code !== 'ERR_IO') report(error.code, error.message, '');
      // An array of impossible length: only sizes no model has lead there.
      else if (error instanceof RangeError) report('ERR_FILE', `sizes out of range (${error.message})`, 'check the file with onnx.checker');
      else throw error;
    }
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      let told = poisoned;
      const optional = () => {
        if (!told) report('ERR_UNSUPPORTED', `its output ${i} ("${name}") is used, which has no place on a path`, 'export the model in eval mode');
        told = true;
      };
      this.define(name, results[i] ?? { kind: 'poison', report: optional });
    });
  }

  private inputsOf(node: OnnxNode): (Input | undefined)[] | undefined {
    let poisoned = false;
    const inputs = node.inputs.map((name) => {
      if (name === '') return undefined;
      const entry = this.entries.get(name);
      if (entry === undefined) {
        throw new NodeProblem('ERR_FILE', `its input "${name}" is not defined before it (missing, or the nodes form a cycle)`, 'check the file with onnx.checker');
      }
      if (entry.kind !== 'poison') return entry;
      entry.report?.();
      poisoned = true;
      return undefined;
    });
    return poisoned ? undefined : inputs;
  }

  /** Of a node whose data could not be computed: is its weight at least one? */
  private checkWeight(node: OnnxNode): void {
    if (node.domain !== '' || !WEIGHTED.has(node.opType)) return;
    const [data, weight] = node.inputs.slice(0, 2).map((name) => this.entries.get(name));
    const constants = [data, weight].filter((entry) => entry?.kind === 'constant');
    if (constants.length === 0) throw new NodeProblem('ERR_UNSUPPORTED', ATTENTION, ATTENTION_REMEDY);
    const [constant] = constants as [Input & { kind: 'constant' }];
    if (constant.constant.weight === undefined) throw computedWeight(constant.constant);
  }

  // ---- constants ------------------------------------------------------------------------------------------------

  private stored(record: TensorRecord): Constant {
    let memo: Tensor | undefined;
    const tensor = () => {
      memo ??= readTensor(this.model, record);
      return memo;
    };
    const weight = isFloatType(record.dataType) && record.dims.length > 0 ? { weight: wholeWeight(record.name, record.dims) } : {};
    return { dims: record.dims, tensor, ...weight };
  }

  /** Outputs of a node all of whose inputs are constants; undefined when it cannot be computed here. */
  private constants(ctx: NodeContext): Entry[] | undefined {
    const { node } = ctx;
    if (node.domain !== '') return undefined;
    if (node.opType === 'Constant') return [{ kind: 'constant', constant: this.constantNode(ctx) }];
    if (ctx.inputs.some((input) => input?.kind === 'constant' && input.constant.uncomputable)) return undefined;
    const view = this.weightView(ctx);
    if (view !== undefined) return [{ kind: 'constant', constant: view }];
    const madeBy = `${node.opType} "${node.name}"`;
    return foldNode(ctx)?.map((tensor) => ({ kind: 'constant', constant: { dims: tensor.dims, tensor: () => tensor, madeBy } }));
  }

  private constantNode(ctx: NodeContext): Constant {
    const output = ctx.node.outputs[0] ?? ctx.malformed('it has no output');
    const record = this.model.tensors.get(output);
    if (record !== undefined) return this.stored(record);
    const scalar = ctx.attribute('value_int')?.int;
    const ints = ctx.attribute('value_ints')?.ints;
    if (scalar === undefined && ints === undefined) ctx.refuse('a constant that is neither a tensor nor numbers');
    const tensor = scalar === undefined ? intTensor(ints ?? []) : intTensor([scalar], []);
    return { dims: tensor.dims, tensor: () => tensor };
  }

  /** A weight seen through a view op stays a view of what is stored. */
  private weightView(ctx: NodeContext): Constant | undefined {
    const input = ctx.inputs[0];
    if (!WEIGHT_VIEWS.has(ctx.node.opType) || input?.kind !== 'constant') return undefined;
    const { constant } = input;
    const { weight } = constant;
    if (weight === undefined) return undefined;
    const view = () => {
      switch (ctx.node.opType) {
        case 'Identity':
          return weight;
        case 'Cast':
          return isFloatType(ctx.int('to', 1)) ? weight : undefined;
        case 'Transpose': {
          const perm = ctx.ints('perm') ?? weight.dims.map((_, i) => weight.dims.length - 1 - i);
          if (perm.length !== weight.dims.length || new Set(perm).size !== perm.length) ctx.malformed(`perm [${perm}]`);
          return transposeWeight(weight, perm);
        }
        case 'Squeeze': {
          const axes = squeezeAxes(ctx, weight.dims);
          return reshapeWeight(weight, weight.dims.filter((_, i) => !axes.includes(i)));
        }
        case 'Unsqueeze':
          return reshapeWeight(weight, unsqueezeShape(ctx, weight.dims));
        default: {
          const target = ctx.ints('shape') ?? ctx.intsInput(1, 'the shape') ?? ctx.malformed('it has no shape');
          return reshapeWeight(weight, targetShape(ctx, weight.dims, target, ctx.int('allowzero', 0) === 1));
        }
      }
    };
    const found = view();
    const record = this.model.tensors.get(weight.tensor);
    if (found === undefined || record === undefined) return undefined;
    const read = () => readTensor(this.model, record);
    return viewConstant(constant, found, `${ctx.node.opType} "${ctx.node.name}"`, read);
  }

  private noteUse(tensor: string, node: OnnxNode): void {
    if (!this.usedAsConstant.has(tensor)) this.usedAsConstant.set(tensor, `${node.opType} "${node.name}"`);
  }

  /** Shape and Size of anything are constants; the batch shows up as the probe. */
  private shapeOf(ctx: NodeContext): Entry {
    const input = ctx.inputs[0] ?? ctx.malformed('it has no input');
    const dims = input.kind === 'constant' ? input.constant.dims : this.fullShape(input.value);
    const end = ctx.attribute('end')?.int;
    const tensor = ctx.node.opType === 'Size' ? intTensor([sizeOf(dims)], []) : intTensor(dims.slice(ctx.int('start', 0), end ?? dims.length));
    return { kind: 'constant', constant: { dims: tensor.dims, tensor: () => tensor } };
  }

  private fullShape({ id, shape }: { id: ValueId; shape: readonly number[] }): readonly number[] {
    return this.builder.flattened.has(id) ? [BATCH_PROBE * sizeOf(shape)] : [BATCH_PROBE, ...shape];
  }

  // ---- names and outputs ----------------------------------------------------------------------------------------

  private define(name: string, entry: Entry): void {
    if (this.entries.has(name)) throw new PxError('ERR_FILE', `${this.where}: the name "${name}" is defined twice; check the file with onnx.checker`);
    this.entries.set(name, entry);
  }

  private standardOpset(): number {
    const opset = this.model.opsets.get('');
    if (opset === undefined) throw new PxError('ERR_FILE', `${this.where} names no opset of the standard operators; check the file with onnx.checker`);
    if (opset < OLDEST_OPSET) {
      throw new PxError('ERR_UNSUPPORTED', `${this.where} uses opset ${opset}; ${OLDEST_OPSET} and later are read. Convert it with onnx.version_converter`);
    }
    if (opset > NEWEST_OPSET) {
      this.warnings.push(`the model uses opset ${opset}, newer than ${NEWEST_OPSET}, the newest looked at; operators are read as of ${NEWEST_OPSET}`);
    }
    return opset;
  }

  private chosenOutputs(): readonly string[] {
    const names = this.model.graph.outputs.map((output) => output.name);
    if (names.length === 0) throw new PxError('ERR_FILE', `${this.where} has no output`);
    const { outputs } = this.options;
    if (outputs === undefined) return names;
    const unknown = outputs.filter((name) => !names.includes(name));
    if (unknown.length > 0 || outputs.length === 0) {
      throw new PxError('ERR_OPTION', `${this.where} has no output ${unknown.map((name) => `"${name}"`).join(', ')}; it has ${names.map((name) => `"${name}"`).join(', ')}`);
    }
    return names.filter((name) => outputs.includes(name));
  }

  /** Indices of the nodes that some chosen output depends on. */
  private ancestors(outputs: readonly string[]): Set<number> {
    const seen = new Set<number>();
    const stack = [...outputs];
    for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
      const index = this.producers.get(name);
      if (index === undefined || seen.has(index)) continue;
      seen.add(index);
      stack.push(...(this.model.graph.nodes[index] as OnnxNode).inputs);
    }
    return seen;
  }
}

/** A constant no rule here computes: harmless unless something uses it, and then it is what to report. */
function uncomputable(ctx: NodeContext): Entry[] {
  const { node } = ctx;
  const sources = ctx.inputs.flatMap((input) => (input?.kind === 'constant' && input.constant.uncomputable ? [input.constant] : []));
  const madeBy = sources[0]?.madeBy ?? `${node.opType} "${node.name}"`;
  const tensor = (): never => {
    throw new NodeProblem('ERR_UNSUPPORTED', `it uses a constant computed by ${madeBy}, which is not folded`, 'fold constants before exporting (onnx-simplifier)');
  };
  return node.outputs.map(() => ({ kind: 'constant', constant: { dims: [], tensor, madeBy, uncomputable: true } }));
}
