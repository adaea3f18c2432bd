/** Specs that are not jobs yet. */
import type { ProblemIssue, Sent, SpecCheck, specRoutes } from '@millrace/api-contract';
import { estimatedChunks, type ResolvedJobSpec, SpecError, specDigest, stagesOf } from '@millrace/protocol';
import type { Api } from '../api.ts';
import { ask } from '../ask.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem, specIssues } from '../problem.ts';
import { showing } from '../reads/content.ts';
import { checkQueries, type Planned, sampleInput } from '../reads/preview-spec.ts';
import { type Found, pinsOf, probeInputs } from '../reads/probe-inputs.ts';
import { perApi } from '../steering/per-api.ts';
import { acceptedSpec } from './jobs.ts';

type Handlers = HandlersOf<typeof specRoutes>;
type Call = Parameters<Handlers['POST /specs/check']>[0];
type Checked = Sent<SpecCheck>;

export const specHandlers: Handlers = {
  'POST /specs/check': async (call, api) => {
    const read = specOf(call);
    if ('issues' in read) return { status: 200, body: found(read.issues) };
    return turns(api).take(async () => ({ status: 200, body: await check(read.spec, call, api) }) as const);
  },
};

const found = (issues: readonly ProblemIssue[]): Checked => ({
  valid: issues.length === 0,
  issues,
  spec: null,
  specDigest: null,
  pins: null,
  plan: null,
  samples: [],
});

/** Throws `SPEC_TENANT_DENIED`: who does not reach a tenant is told nothing of its places. */
function specOf({ body, caller }: Pick<Call, 'body' | 'caller'>): { readonly spec: ResolvedJobSpec } | { readonly issues: ProblemIssue[] } {
  try {
    return { spec: acceptedSpec(body.spec, body.params, caller) };
  } catch (error) {
    if (!(error instanceof SpecError) || error.issues.some(({ code }) => code === 'SPEC_TENANT_DENIED')) throw error;
    return { issues: specIssues(error.issues) };
  }
}

async function check(written: ResolvedJobSpec, call: Call, api: Api): Promise<Checked> {
  const { caller, signal, query } = call;
  const asked = await ask(api, { caller, tenant: written.execution.tenant, signal }, { kind: 'check', spec: written });
  if (asked.spec === null) return found(specIssues(asked.issues));
  const { spec } = asked;
  const probed = await probeInputs({ spec, inputs: asked.inputs }, signal, api);
  const planned = { spec, inputs: asked.inputs, lookups: asked.lookups, pins: probed.pins };
  const issues = [...specIssues(asked.issues), ...probed.issues];
  const queries = issues.length === 0 ? await checkQueries(planned, signal, api) : null;
  if (queries !== null) issues.push(queries);
  const shown = { act: 'spec.sample', object: `spec:${spec.name}`, tenant: spec.execution.tenant } as const;
  const sampled = await showing(query.content, shown, call, api, () => samplesOf(planned, query.content, signal, api));
  issues.push(...sampled.issues);
  return {
    valid: issues.length === 0,
    issues,
    spec: { ...spec },
    specDigest: specDigest(spec),
    pins: probed.pins.flatMap((one) => (one === null ? [] : [pinsOf(one)])),
    plan: planOf(planned),
    samples: sampled.samples,
  };
}

async function samplesOf(planned: Planned, content: boolean, signal: AbortSignal, api: Api) {
  const [samples, issues]: [Checked['samples'][number][], ProblemIssue[]] = [[], []];
  for (const index of planned.spec.inputs.keys()) {
    const found = await sampleInput(index, planned, content, signal, api);
    if (found === null) continue;
    if ('pointer' in found) issues.push(found);
    else samples.push(found);
  }
  return { samples, issues };
}

/** Null while an input is not known: sums would tell less than there is. */
function planOf({ spec, inputs }: Found): Checked['plan'] {
  const known = inputs.flatMap((input, index) => (input === null ? [] : [{ ...input, name: spec.inputs[index]?.name ?? '' }]));
  if (known.length < spec.inputs.length) return null;
  const sum = (of: (input: (typeof known)[number]) => number): number => known.reduce((total, input) => total + of(input), 0);
  return {
    files: sum(({ files }) => files),
    bytes: sum(({ bytes }) => bytes),
    estimatedChunks: sum((input) => estimatedChunks(input.bytes, spec.execution.chunkSize)),
    stages: stagesOf(spec).map(({ name, kind }) => ({ name, kind })),
    inputs: known.map(({ name, files, bytes, first }) => ({ input: name, files, bytes, first: first.map(({ uri, size }) => ({ uri, bytes: size })) })),
  };
}

const atOnce = 4;

/** Checks take turns at the core with the reads of pages: so many wait at once, the others are told to come again. */
class Turns {
  #taken = 0;

  async take<T>(act: () => Promise<T>): Promise<T> {
    if (this.#taken >= atOnce)
      throw new ApiProblem('RATE_LIMITED', `${atOnce} specs are being checked: come again in 2 s`, { headers: { 'retry-after': '2' } });
    this.#taken += 1;
    try {
      return await act();
    } finally {
      this.#taken -= 1;
    }
  }
}

const turns = perApi(() => new Turns());
