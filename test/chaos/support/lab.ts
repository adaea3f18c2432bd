/** What a test file of the campaign shares: a bench, generated data, clusters that are stopped, and the checks after a quiet period. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Workbench } from '../../e2e/support/workbench.ts';
import { type CheckOptions, findBreaches, Reader } from './checker.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';

export interface LabOptions {
  /** The core whose marked records crash or hang it. */
  readonly hooks?: boolean;
  readonly records?: number;
  readonly files?: number;
  readonly faults?: string;
  readonly seed?: number;
}

export class Lab {
  readonly bench: Workbench;
  readonly data: string;

  constructor(name: string, options: LabOptions = {}) {
    this.bench = new Workbench(`chaos-${name}`, { hooks: options.hooks === true });
    const { records = 20_000, files = 2, faults, seed = 11 } = options;
    this.data = this.bench.generate('data', { records, files, seed, faults }).directory;
  }

  /**
   * Runs `act` on a cluster of its own. Afterwards everything is stopped, nothing may be left running, and every invariant is checked. What is needed to
   * find out why is kept in a folder when something does not hold.
   */
  async run(
    options: Pick<ClusterOptions, 'name'> & Partial<ClusterOptions> & { readonly check?: CheckOptions },
    act: (cluster: Cluster) => Promise<void>,
  ): Promise<Cluster> {
    const { check = {}, ...rest } = options;
    const cluster = await Cluster.start({ bench: this.bench, data: this.data, ...rest });
    const reader = new Reader(cluster.out);
    try {
      try {
        await act(cluster);
      } finally {
        await cluster.stop();
      }
      await this.bench.expectNothingRuns();
      assert.deepEqual([...(await findBreaches(cluster, check)), ...reader.stop()], []);
    } catch (error) {
      reader.stop();
      throw withEvidence(error, this.#keep(cluster), cluster);
    }
    return cluster;
  }

  close(): Promise<void> {
    return this.bench.close();
  }

  #keep(cluster: Cluster): string {
    const folder = join(process.env['MILLRACE_CHAOS_KEEP'] ?? join(this.bench.home, '../millrace-chaos'), `${cluster.options.name}-${process.pid}`);
    mkdirSync(folder, { recursive: true });
    cpSync(join(cluster.out, '_journal'), join(folder, 'journal'), { recursive: true, force: true });
    cpSync(cluster.logFile, join(folder, 'roles.log'));
    return folder;
  }
}

function withEvidence(error: unknown, folder: string, cluster: Cluster): unknown {
  const early = cluster.roles.filter(({ noise }) => noise.length > 0).map(({ name, noise }) => `\n  ${name}: ${noise.slice(-5).join(' ')}`);
  if (error instanceof Error) error.message += `\n  journal and logs are kept in ${folder}${early.join('')}`;
  return error;
}
