/** Arrays lent to a program, and then taken away: transferred, resized, or given back only when a call has them. */
import { MessageChannel } from 'node:worker_threads';
import { cpuBackend } from '../../../dist/kernels.js';
import { makeNetwork, print, round, SAMPLES } from './network.mjs';

const network = await makeNetwork();
const options = { method: 'px', norm: 'batch', threads: 2 };
const own = (values) => Float32Array.from(values);
/** Detaches the array's buffer; the receiver keeps it alive. */
const received = [];
const { port1, port2 } = new MessageChannel();
port2.on('message', (message) => received.push(message));
const transfer = (array) => port1.postMessage(array, [array.buffer]);
const outcome = (promise) =>
  promise.then(
    () => 'ok',
    ({ code, message }) => `${code}: ${message}`,
  );

const program = await cpuBackend().compile(network.plan, network.weights, options);
const expected = await round(program, network);
const result = {};

program.begin();
const x = own(network.x);
const pushing = outcome(program.push(x, SAMPLES));
transfer(x);
result.transferredWhilePushed = await pushing;
result.pushedAfterTransfer = await outcome(program.push(x, SAMPLES));

const resizable = new Float32Array(
  new ArrayBuffer(network.x.byteLength, { maxByteLength: 2 * network.x.byteLength }),
);
resizable.set(network.x);
result.resizable = (await round(program, { x: resizable })) === expected;
program.begin();
const growing = outcome(program.push(resizable, SAMPLES));
resizable.buffer.resize(2 * network.x.byteLength);
result.resizedWhilePushed = await growing;
program.begin();
result.sameAfterwards = (await round(program, network)) === expected;
program.dispose();

const weights = network.weights.map(own);
const borrower = await cpuBackend().compile(network.plan, weights, options);
borrower.begin();
transfer(weights[2]);
result.weightsTransferred = await outcome(borrower.push(network.x, SAMPLES));
result.finishAfterwards = await outcome(borrower.finish());
borrower.dispose();
port1.close();
print(result);
