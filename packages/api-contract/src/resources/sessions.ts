/** Who asks: sign-in, sign-out, and what one may do. */
import { z } from 'zod';
import { defineRoute, roles, scopes } from '../route.ts';
import { instant, plainName } from '../shapes.ts';

/** Names of people. */
export const userNamePattern = /^[a-z0-9][a-z0-9._@-]{0,127}$/;
export const userNameError = 'expected a user name: lower-case letters, digits and . _ @ -';

export const roleShape = z.enum(roles).meta({ id: 'Role' });

export const identityShape = z
  .strictObject({
    /** `user:<name>` or `token:<tokenId>`. */
    by: z.string(),
    /** For people: a user's name, a token's. */
    name: z.string(),
    kind: z.enum(['session', 'token']),
    role: roleShape,
    /** Null: all. */
    tenants: z.array(plainName).nullable(),
    /** Null: all routes that the role may call. */
    scopes: z.array(z.enum(scopes)).nullable(),
    /** When this was last proved by a password, or the token made. */
    provedAt: instant,
    expiresAt: instant,
    /** Of the installation: `production` asks for a reason with every act. */
    environment: z.string(),
  })
  .meta({ id: 'Identity' });
export type Identity = z.output<typeof identityShape>;

export const sessionRoutes = [
  defineRoute({
    method: 'POST',
    path: '/sessions',
    operationId: 'signIn',
    summary: 'Signs in by user name and password, or by a one-time link, which sets the password; answers with the session cookie',
    role: 'public',
    body: z.union([
      z.strictObject({ user: z.string().min(1).max(128), password: z.string().min(1).max(1_024) }),
      z.strictObject({
        user: z.string().regex(userNamePattern, { error: userNameError }),
        /** At least 12 characters. */
        password: z.string().min(12, { error: 'expected at least 12 characters' }).max(1_024),
        /** The secret part of the link. */
        link: z.string().min(1).max(128),
      }),
    ]),
    answers: { 201: identityShape },
    errors: ['AUTH_REQUIRED', 'RATE_LIMITED'],
    act: 'session.create',
    ownKey: true,
  }),
  defineRoute({
    method: 'DELETE',
    path: '/sessions/current',
    operationId: 'signOut',
    summary: 'Ends the session that asks',
    role: 'viewer',
    answers: { 204: null },
    errors: [],
    act: 'session.end',
  }),
  defineRoute({
    method: 'GET',
    path: '/me',
    operationId: 'readMe',
    summary: 'Who asks, and what that may do',
    role: 'viewer',
    scope: 'stats:read',
    answers: { 200: identityShape },
    errors: [],
  }),
] as const;
