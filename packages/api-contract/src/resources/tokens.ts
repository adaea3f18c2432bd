/** API tokens: `mrt_…`, shown once, kept as a digest. */
import { z } from 'zod';
import { defineRoute, scopes } from '../route.ts';
import { instant, pageOf, pageQuery, plainName, reason } from '../shapes.ts';
import { roleShape } from './sessions.ts';

const tokenId = z.string().regex(/^t[0-9a-hjkmnp-tv-z]{26}$/, { error: 'expected a token id: t and 26 letters and digits' });

const made = {
  /** For people: what it is for. */
  name: z.string().min(1).max(128),
  role: roleShape,
  /** Null: all that whoever makes it may reach. */
  tenants: z.array(plainName).min(1).max(100).nullable(),
  scopes: z.array(z.enum(scopes)).min(1).nullable(),
};

export const tokenShape = z
  .strictObject({
    tokenId,
    ...made,
    createdAt: instant,
    createdBy: z.string(),
    expiresAt: instant,
    revoked: z.boolean(),
    /** About: kept to the minute. Null: never, or not within the last year. */
    lastUsedAt: instant.nullable(),
  })
  .meta({ id: 'Token' });
export type Token = z.output<typeof tokenShape>;

export const maxTokenDays = 365;

export const tokenRoutes = [
  defineRoute({
    method: 'GET',
    path: '/tokens',
    operationId: 'listTokens',
    summary: 'Tokens, by id, without their secrets',
    role: 'admin',
    query: z.strictObject(pageQuery),
    answers: { 200: pageOf(tokenShape) },
    errors: ['CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'POST',
    path: '/tokens',
    operationId: 'createToken',
    summary: 'Makes a token; its secret is in this answer and nowhere else',
    role: 'admin',
    body: z.strictObject({
      ...made,
      tenants: made.tenants.prefault(null),
      scopes: made.scopes.prefault(null),
      expiresInDays: z.int().min(1).max(maxTokenDays).prefault(90),
      reason: reason.min(1),
    }),
    answers: { 201: tokenShape.extend({ /** `mrt_…` */ secret: z.string() }) },
    errors: ['AUTH_STALE'],
    act: 'token.create',
    fresh: true,
    // A kept answer would hold the secret.
    ownKey: true,
  }),
  defineRoute({
    method: 'DELETE',
    path: '/tokens/{tokenId}',
    operationId: 'revokeToken',
    summary: 'Revokes a token; every server has heard of it within 30 s',
    role: 'admin',
    params: z.strictObject({ tokenId }),
    answers: { 204: null },
    errors: ['NOT_FOUND'],
    act: 'token.revoke',
  }),
] as const;
