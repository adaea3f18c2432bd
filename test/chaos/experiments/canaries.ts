/**
 * F62: the mixed nemesis over an installation whose every secret is a canary, with a store that refuses and breaks off meanwhile; then everything that was
 * written is searched for them: journal, outputs, logs, what Redis appended to its file, scratch, what clients were told.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Workbench } from '../../e2e/support/workbench.ts';
import { campaigns, runCampaign, scheduleFor } from '../support/campaign.ts';
import type { Cluster } from '../support/cluster.ts';
import { StoreStub, type StubFault, stubBucket } from '../support/store-stub.ts';
import { type Experiment, Findings } from './experiment.ts';

const faults: readonly StubFault[] = [
  { kind: 'status', status: 403, code: 'SignatureDoesNotMatch' },
  { kind: 'status', status: 500 },
  { kind: 'reset' },
  { kind: 'doneThenReset' },
];
/** One request in so many is answered badly. */
const every = 47;

export const canaries: Experiment = {
  fault: 'F62',
  what: 'the mixed nemesis with secrets that are searched for',
  async run({ bench, seed, seconds }) {
    const findings = new Findings();
    const mixed = campaigns.find(({ fault }) => fault === 'F50');
    if (mixed === undefined) throw new Error('there is no campaign F50');
    const secret = (name: string): string => `canary-${name}-${randomBytes(12).toString('hex')}`;
    const secrets = new Map(['store', 'redis', 'address', 'signature', 'environment'].map((name) => [name, secret(name)]));
    const of = (name: string): string => secrets.get(name) ?? '';
    const data = bench.generate('data', { records: 8_000, files: 2, seed }).directory;
    const stub = await StoreStub.start(bench.path('canary-store'));
    // Files that hold a secret because they are where it is kept.
    const passwordFile = bench.path('redis-password');
    writeFileSync(passwordFile, of('redis'), { mode: 0o600 });
    const environment = {
      ...stub.environment(bench.path('connections.json')),
      AWS_SECRET_ACCESS_KEY: of('store'),
      MILLRACE_REDIS_PASSWORD_FILE: passwordFile,
      SOME_TOKEN: of('environment'),
    };
    const remote = { out: `s3://${stubBucket}/canaries/`, directory: join(stub.directory, stubBucket, 'canaries'), environment };
    const storeFails = (forMs: number): void => {
      const untilMs = performance.now() + forMs;
      stub.fault = ({ number }) => (number % every === 0 && performance.now() < untilMs ? (faults[(number / every) % faults.length] ?? null) : null);
    };
    const first = async (cluster: Cluster): Promise<void> => {
      secrets.set('tasks', cluster.taskKey.replace(/^.*:/, ''));
      for (const uri of [`s3://user:${of('address')}@${stubBucket}/x/`, `https://storage.invalid/x/?X-Amz-Signature=${of('signature')}`]) {
        const producer = await cluster.producer();
        const refused = await producer.submit(cluster.spec({ output: { uri } }) as never, { timeout: '60s' }).then(
          () => 'nothing',
          (error: Error) => `${error.name} ${error.message}`,
        );
        findings.expect(refused !== 'nothing', 'a place with a secret in its address is accepted');
        for (const [name, value] of secrets) findings.expect(!refused.includes(value), `a client is told the secret ${name}`);
      }
      storeFails(seconds * 1_000);
    };
    const redis = { ...mixed.redis, password: of('redis') };
    try {
      const schedule = scheduleFor(mixed, seed, seconds);
      const outcome = await runCampaign({ ...mixed, redis }, { bench, data, seed, seconds, schedule, cluster: { remote }, first });
      const { breaches, jobs, chunks, healMs, records, faults: done } = outcome;
      Object.assign(findings.figures, { jobs, chunks, healMs, storeFaults: stub.faults, records: JSON.stringify(records), faults: JSON.stringify(done) });
      findings.breaches.push(...breaches);
    } finally {
      await stub.stop();
    }
    search(bench, secrets, [passwordFile], findings);
    return findings;
  },
};

/** Everything below the bench but the core, the generated data and the places that are meant to hold a secret. */
function search(bench: Workbench, secrets: ReadonlyMap<string, string>, kept: readonly string[], findings: Findings): void {
  const needles = [...secrets].flatMap(([name, value]) => [value, Buffer.from(value).toString('base64').slice(0, -4)].map((text) => ({ name, text })));
  let [files, bytes, named] = [0, 0, 0];
  for (const entry of readdirSync(bench.home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path === bench.core || kept.includes(path) || path.startsWith(bench.path('data', '/'))) continue;
    const content = readFileSync(path);
    files += 1;
    bytes += content.length;
    // What must be there in many: that the search sees what it reads.
    if (content.includes('canaries/')) named += 1;
    for (const { name, text } of needles) findings.expect(!content.includes(text), `${path.slice(bench.home.length)} holds the secret ${name}`);
  }
  findings.expect(named > 10, `only ${named} of ${files} files name the place of the jobs: the search does not see`);
  Object.assign(findings.figures, { filesSearched: files, mebibytesSearched: Math.round(bytes / 2 ** 20), filesThatNameThePlace: named });
}
