/** F68: the store is away for a while, then its credentials do not count any more, then all is well again: a circuit opens, no attempt is used up, nothing dies. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../e2e/support/until.ts';
import { findBreaches } from '../support/checker.ts';
import { Cluster } from '../support/cluster.ts';
import { manifestOf, readJob, receiptsOf } from '../support/journal-reader.ts';
import { StoreStub, type StubFault, stubBucket } from '../support/store-stub.ts';
import { type Experiment, Findings } from './experiment.ts';

const withinMs = 240_000;

export const storeAway: Experiment = {
  fault: 'F68',
  what: 'storage away, credentials revoked and renewed',
  async run({ bench, seed, seconds }) {
    const findings = new Findings();
    const { directory } = bench.generate('data', { records: 20_000, files: 2, seed });
    const stub = await StoreStub.start(bench.path('away-store'));
    const remote = {
      out: `s3://${stubBucket}/away/`,
      directory: join(stub.directory, stubBucket, 'away'),
      environment: stub.environment(bench.path('connections.json')),
    };
    const cluster = await Cluster.start({ bench, name: 'away', data: directory, remote, timeScale: 0.1 });
    try {
      await cluster.ready(cluster.scheduler(), cluster.host());
      const { jobId } = await cluster.submit('away', cluster.spec(), 120_000);
      await until('a receipt', () => receiptsOf(readJob(cluster.out, jobId)).length >= 1, { within: withinMs, every: 5 });
      const faultFor = async (name: string, fault: StubFault): Promise<void> => {
        const before = stub.faults;
        stub.fault = () => fault;
        await delay(seconds * 500);
        stub.fault = () => null;
        findings.figures[`${name}Requests`] = stub.faults - before;
        findings.expect(stub.faults > before, `${name}: nobody asked the store`);
        const receipts = receiptsOf(readJob(cluster.out, jobId)).length;
        const isOver = (): boolean => manifestOf(cluster.out, jobId, 1) !== null;
        await findings.during(`work behind ${name}`, () =>
          until('another receipt', () => isOver() || receiptsOf(readJob(cluster.out, jobId)).length > receipts, { within: withinMs }),
        );
      };
      await faultFor('away', { kind: 'status', status: 503, code: 'SlowDown' });
      await faultFor('revoked', { kind: 'status', status: 403, code: 'ExpiredToken' });
      await findings.during('the job', () => cluster.untilEnded(jobId, 1, withinMs));
      const manifest = manifestOf(cluster.out, jobId, 1);
      const records = readJob(cluster.out, jobId).failures.map(({ class: kind, code }) => `${kind} ${code}`);
      Object.assign(findings.figures, { state: manifest?.state ?? 'no end', records: [...new Set(records)].join(', ') });
      findings.figures['circuitsOpened'] = cluster.lines.filter(({ msg }) => msg === 'circuit opened').length;
      findings.expect(manifest?.state === 'completed', `the job ended as ${manifest?.state ?? 'nothing'}: ${manifest?.failure?.message ?? ''}`);
      findings.expect(manifest?.chunks.dead === 0, `${manifest?.chunks.dead} chunks died of a store that was away`);
    } catch (error) {
      findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await cluster.stop();
      await stub.stop();
    }
    findings.breaches.push(...(await findBreaches(cluster, { ending: 'any' })));
    return findings;
  },
};
