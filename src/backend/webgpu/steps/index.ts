import type { Step } from '../../../plan/plan.js';
import { Activation } from './activation.js';
import { Affine } from './affine.js';
import { BatchNorm } from './batch-norm.js';
import { Concat } from './concat.js';
import { FOnly } from './f-only.js';
import { Fixed } from './fixed.js';
import { Linear } from './linear.js';
import { Max } from './max.js';
import { Product } from './product.js';
import { SampleNorm } from './sample-norm.js';
import type { Env, StepExec } from './step.js';
import { Sum } from './sum.js';
import { View } from './view.js';

/** The executor of a step. */
export function makeStep(step: Step, env: Env): StepExec {
  switch (step.op) {
    case 'conv':
    case 'conv-transpose':
    case 'dense':
      return new Linear(step, env);
    case 'fixed':
      return new Fixed(step, env);
    case 'activation':
      return new Activation(step, env);
    case 'max':
      return new Max(step, env);
    case 'product':
      return new Product(step, env);
    case 'affine':
      return new Affine(step, env);
    case 'batch':
      return new BatchNorm(step, env);
    case 'layer':
    case 'group':
      return new SampleNorm(step, env);
    case 'add':
    case 'tail-product':
      return new Sum(step, env);
    case 'concat':
      return new Concat(step, env);
    case 'reshape':
    case 'transpose':
      return new View(step, env);
    case 'unary':
    case 'binary':
    case 'softmax':
      return new FOnly(step, env);
  }
}
