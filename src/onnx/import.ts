import { PxError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, ValueId } from '../graph/graph.js';
import { intTensor, sizeOf } from '../graph/tensor.js';
import { Constants } from './constants.js';
import { type Batch, type Input, NodeContext } from './context.js';
import { chosenOutputs, dataInput, type InputSize, sampleShape, standardOpset } from './interface.js';
import { refusal } from './ops/refused.js';
import { NodeProblem, type Problem, problemsError } from './problem.js';
import type { OnnxModel, OnnxNode } from './proto.js';
import { findConverter } from './registry.js';
import { checkStranded, nodesBeforeWeights, usersOf } from './stranded.js';
import { readTensor } from './tensor-data.js';

/** A prime no dimension of a real model equals. */
const BATCH_PROBE = 1_000_003;

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
  /** Values at which the graph ends because what comes next cannot be treated. */
  readonly looseEnds: readonly LooseEnd[];
}

export interface LooseEnd {
  readonly value: ValueId;
  /** Is a layer with weights among what comes next? */
  readonly weights: boolean;
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
  private readonly constants: Constants;
  private readonly usedAsConstant = new Map<string, string>();
  private readonly warnings: string[] = [];
  private readonly looseEnds: { readonly index: number; readonly value: ValueId }[] = [];
  private readonly users: ReadonlyMap<string, readonly OnnxNode[]>;
  private readonly opset: number;
  private readonly batch: Batch;
  private readonly input: {
    id: ValueId;
    name: string;
    shape: readonly number[];
    declared: readonly (number | string)[];
  };

  constructor(
    private readonly model: OnnxModel,
    private readonly options: ImportOptions,
  ) {
    this.where = model.file ?? 'the model';
    this.constants = new Constants(model);
    this.users = usersOf(model);
    const { opset, warning } = standardOpset(model, this.where);
    this.opset = opset;
    if (warning !== undefined) this.warnings.push(warning);
    const info = dataInput(model, this.where);
    const { shape, baked } = sampleShape(info, options, this.where);
    this.batch = { probe: BATCH_PROBE, ...(baked === undefined ? {} : { baked }) };
    this.input = {
      id: this.builder.value(info.name, shape),
      name: info.name,
      shape,
      declared: info.dims ?? [],
    };
    this.entries.set(info.name, { kind: 'value', value: { id: this.input.id, shape } });
    const ofNodes = new Set(
      model.graph.nodes.filter((node) => node.opType === 'Constant').flatMap((node) => node.outputs),
    );
    for (const record of model.tensors.values()) {
      if (!ofNodes.has(record.name))
        this.define(record.name, { kind: 'constant', constant: this.constants.stored(record) });
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
    const { chosen, blocking, needed } = this.convertAll();
    const outputs = chosen.flatMap((name) => {
      const entry = this.entries.get(name);
      return entry?.kind === 'value' ? [{ name, value: entry.value.id }] : [];
    });
    const before = nodesBeforeWeights(this.model);
    const looseEnds = this.looseEnds
      .filter(({ index }) => needed.has(index))
      .map(({ index, value }) => ({ value, weights: before.has(index) }));
    return { ...this.result(outputs), declared: this.input.declared, blocking, looseEnds };
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
    const chosen = chosenOutputs(this.model, this.options.outputs, this.where);
    const needed = this.ancestors(chosen);
    const split = (wanted: boolean) =>
      this.problems.filter(({ index }) => needed.has(index) === wanted).map(({ problem }) => problem);
    return { chosen, needed, blocking: split(true), ignored: split(false) };
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
        checkStranded(node, (name) => this.entries.get(name), this.users.get(node.outputs[0] ?? '') ?? []);
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
        ctx.derive(0); // once the model has used up what it may, nothing more is computed
        const relevant = node.opType === 'CastLike' ? inputs.slice(0, 1) : inputs;
        const constant = relevant.every((input) => input?.kind !== 'value');
        if (node.domain === '' && (node.opType === 'Shape' || node.opType === 'Size'))
          results = [this.shapeOf(ctx)];
        // A subgraph may read any value from outside; its inputs do not tell what it depends on.
        else if (hasGraph(node)) unknown();
        else if (constant)
          results = this.constants.ofNode(ctx).map((made): Entry => ({ kind: 'constant', constant: made }));
        else if (known === undefined) unknown();
        else {
          const values = known(ctx);
          const list = typeof values === 'number' ? [values] : values;
          results = list.map(
            (id): Entry => ({ kind: 'value', value: { id, shape: this.builder.shape(id) } }),
          );
        }
        poisoned = false;
      }
      if (poisoned) this.noteLooseEnds(node, index);
    } catch (error) {
      this.noteLooseEnds(node, index);
      if (error instanceof NodeProblem) report(error.code, error.reason, error.remedy);
      else if (error instanceof PxError && error.code !== 'ERR_IO') report(error.code, error.message, '');
      // An array of impossible length: only sizes no model has lead there.
      else if (error instanceof RangeError)
        report('ERR_FILE', `sizes out of range (${error.message})`, 'check the file with onnx.checker');
      else throw error;
    }
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      let told = poisoned;
      const optional = () => {
        if (!told)
          report(
            'ERR_UNSUPPORTED',
            `its output ${i} ("${name}") is used, which has no place on a path`,
            'export the model in eval mode',
          );
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
        throw new NodeProblem(
          'ERR_FILE',
          `its input "${name}" is not defined before it (missing, or the nodes form a cycle)`,
          'check the file with onnx.checker',
        );
      }
      if (entry.kind !== 'poison') return entry;
      entry.report?.();
      poisoned = true;
      return undefined;
    });
    return poisoned ? undefined : inputs;
  }

  private noteLooseEnds(node: OnnxNode, index: number): void {
    for (const name of node.inputs) {
      const entry = this.entries.get(name);
      if (entry?.kind === 'value') this.looseEnds.push({ index, value: entry.value.id });
    }
  }

  // ---- constants and shapes -----------------------------------------------------------------------------------

  private noteUse(tensor: string, node: OnnxNode): void {
    if (!this.usedAsConstant.has(tensor)) this.usedAsConstant.set(tensor, `${node.opType} "${node.name}"`);
  }

  /** Shape and Size of anything are constants; the batch shows up as the probe. */
  private shapeOf(ctx: NodeContext): Entry {
    const input = ctx.inputs[0] ?? ctx.malformed('it has no input');
    // One that cannot be computed has no shape either: asking for its values says so.
    if (input.kind === 'constant' && input.constant.uncomputable) input.constant.tensor();
    const dims = input.kind === 'constant' ? input.constant.dims : this.fullShape(input.value);
    const end = ctx.attribute('end')?.int;
    const tensor =
      ctx.node.opType === 'Size'
        ? intTensor([sizeOf(dims)], [])
        : intTensor(dims.slice(ctx.int('start', 0), end ?? dims.length));
    return { kind: 'constant', constant: { dims: tensor.dims, tensor: () => tensor } };
  }

  private fullShape({ id, shape }: { id: ValueId; shape: readonly number[] }): readonly number[] {
    return this.builder.flattened.has(id) ? [BATCH_PROBE * sizeOf(shape)] : [BATCH_PROBE, ...shape];
  }

  // ---- names and outputs ----------------------------------------------------------------------------------------

  private define(name: string, entry: Entry): void {
    if (this.entries.has(name))
      throw new PxError(
        'ERR_FILE',
        `${this.where}: the name "${name}" is defined twice; check the file with onnx.checker`,
      );
    this.entries.set(name, entry);
  }

  /** Indices of the nodes that some chosen output depends on. */
  private ancestors(outputs: readonly string[]): Set<number> {
    const seen = new Set<number>();
    const stack = [...outputs];
    for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
      const index = this.producers.get(name);
      if (index === undefined || seen.has(index)) continue;
      seen.add(index);
      const node = this.model.graph.nodes[index] as OnnxNode;
      for (const input of node.inputs) stack.push(input);
      // A subgraph may read any value that is there before it.
      if (hasGraph(node))
        for (const before of this.model.graph.nodes.slice(0, index)) stack.push(...before.outputs);
    }
    return seen;
  }
}

function hasGraph(node: OnnxNode): boolean {
  return [...node.attributes.values()].some((attribute) => attribute.hasGraph);
}
