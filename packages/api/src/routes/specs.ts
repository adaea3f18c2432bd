/** Specs that are not jobs yet. */
import type { specRoutes } from '@millrace/api-contract';
import { SpecError, specDigest } from '@millrace/protocol';
import type { HandlersOf } from '../handler.ts';
import { specIssues } from '../problem.ts';
import { acceptedSpec } from './jobs.ts';

export const specHandlers: HandlersOf<typeof specRoutes> = {
  'POST /specs/check': async ({ body, caller }) => {
    const nothing = { pins: null, plan: null, samples: [] };
    try {
      const spec = acceptedSpec(body.spec, body.params, caller);
      return { status: 200, body: { valid: true, issues: [], spec: { ...spec }, specDigest: specDigest(spec), ...nothing } };
    } catch (error) {
      if (!(error instanceof SpecError) || error.issues.some(({ code }) => code === 'SPEC_TENANT_DENIED')) throw error;
      return { status: 200, body: { valid: false, issues: specIssues(error.issues), spec: null, specDigest: null, ...nothing } };
    }
  },
};
