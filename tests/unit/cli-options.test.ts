import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  addDataOptions,
  askedInputSize,
  type DataFlags,
  datasetOptions,
} from '../../src/cli/data-options.js';

function flags(...args: string[]): DataFlags {
  const command = addDataOptions(new Command()).exitOverride();
  command.configureOutput({ writeErr: () => {} });
  return command.parse(['--data', 'photos', ...args], { from: 'user' }).opts();
}

const signal = new AbortController().signal;

describe('--size', () => {
  it.each<[string, number | [number, number], [number, number]]>([
    ['224', 224, [224, 224]],
    ['224x224', [224, 224], [224, 224]], // not the shorter side: proportions do not matter
    ['224x320', [224, 320], [224, 320]],
  ])('%s', (text, size, input) => {
    const given = flags('--size', text);
    expect(datasetOptions(given, signal).size).toEqual(size);
    expect(askedInputSize(given)).toEqual(input);
  });

  it.each(['x', '224x', '2x2x2', 'large', '', '1.5'])('refuses "%s"', (text) => {
    expect(() => flags('--size', text)).toThrow(/--size/);
  });

  it('leaves the model its input where --crop says it', () => {
    expect(askedInputSize(flags('--size', '256', '--crop', '224'))).toEqual([224, 224]);
    expect(askedInputSize(flags())).toBeUndefined();
  });
});
