/** What requests to the core carry of secrets: only what the spec of their job names. */
import type { ResolvedJobSpec } from '@millrace/protocol';
import type { Secret } from '@millrace/protocol/wire';
import { readSecret } from '@millrace/service-kit';

/** What requests for this job carry: only what its spec names. Throws `SPEC_KEY_MISSING` when it is not held here. */
export async function secretsOf(spec: Pick<ResolvedJobSpec, 'privacy'>, directory: string | null): Promise<readonly Secret[]> {
  const name = spec.privacy?.key ?? null;
  return name === null ? [] : [{ name, bytes: await readSecret(name, directory) }];
}
