/** The page: four steps, one worker. */
import { VERSION } from '../../src/version.js';
import { DataSection } from './data-section.js';
import { byId } from './dom.js';
import { Engine } from './engine.js';
import { ModelSection } from './model-section.js';
import type { Device } from './protocol.js';
import { ResultSection } from './result-section.js';
import { RunSection } from './run-section.js';
import { Settings } from './settings.js';

const WHY: Readonly<Record<Extract<Device, { present: false }>['why'], string>> = {
  insecure:
    'WebGPU is there on pages that come over https, or from this machine (localhost). This page came over plain http.',
  absent: 'This browser does not have WebGPU, or has it switched off.',
  'no adapter': 'This browser has WebGPU, but finds no graphics processor that it would use for it.',
  failed: 'This browser has WebGPU, but the graphics device could not be opened:',
};

byId('version').textContent = `path-exclusion ${VERSION}.`;
let run: RunSection | undefined;
const engine = new Engine((news) => run?.news(news));
const data = new DataSection();
run = new RunSection(engine, data, new Settings(), new ResultSection(engine));
new ModelSection(engine, (model) => run.setModel(model));

// A file dropped beside the zones would take the page's place.
for (const event of ['dragover', 'drop'] as const) addEventListener(event, (drop) => drop.preventDefault());

openDevice().then((device) => {
  run.setDevice(device);
  if (!device.present) showMissing(device);
});

async function openDevice(): Promise<Device> {
  try {
    return await engine.ask('device', null);
  } catch (error) {
    return { present: false, why: 'failed', message: (error as Error).message };
  }
}

function showMissing({ why, message }: Extract<Device, { present: false }>): void {
  byId('no-gpu-why').textContent = why === 'failed' ? `${WHY[why]} ${message}` : WHY[why];
  byId('no-gpu').hidden = false;
}
