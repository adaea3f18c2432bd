/** People with an account of this installation: made and taken out by admins; each sets the own password by a one-time link. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { instant, pageOf, pageQuery, plainName, reason } from '../shapes.ts';
import { roleShape, userNameError, userNamePattern } from './sessions.ts';

const userName = z.string().regex(userNamePattern, { error: userNameError });
const params = z.strictObject({ user: userName });

const granted = {
  user: userName,
  role: roleShape,
  /** Null: all that whoever grants it may reach. */
  tenants: z.array(plainName).min(1).max(100).nullable(),
};

export const userShape = z.strictObject({ ...granted, createdAt: instant, passwordSetAt: instant }).meta({ id: 'User' });
export type User = z.output<typeof userShape>;

export const invitationShape = z
  .strictObject({
    ...granted,
    /** Below the address of the server. Whoever opens it sets the password; it works once. */
    link: z.string(),
    expiresAt: instant,
  })
  .meta({ id: 'Invitation' });
export type Invitation = z.output<typeof invitationShape>;

export const userRoutes = [
  defineRoute({
    method: 'GET',
    path: '/users',
    operationId: 'listUsers',
    summary: 'People who have an account; invitations that nobody has followed yet are not among them',
    role: 'admin',
    query: z.strictObject(pageQuery),
    answers: { 200: pageOf(userShape) },
    errors: ['CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'POST',
    path: '/users',
    operationId: 'inviteUser',
    summary: 'Makes a link, good for a day and for once, by which a person makes the account of this name and role',
    role: 'admin',
    body: z.strictObject({ ...granted, tenants: granted.tenants.prefault(null), reason: reason.min(1) }),
    answers: { 201: invitationShape },
    errors: ['AUTH_STALE', 'STATE_CONFLICT'],
    act: 'user.invite',
    fresh: true,
    // A kept answer would hold the secret.
    ownKey: true,
  }),
  defineRoute({
    method: 'POST',
    path: '/users/{user}/link',
    operationId: 'offerNewPassword',
    summary: 'Makes a link, good for a day and for once, by which a person sets a new password; the one before holds until then',
    role: 'admin',
    params,
    body: z.strictObject({ reason: reason.min(1) }),
    answers: { 201: invitationShape },
    errors: ['AUTH_STALE', 'NOT_FOUND'],
    act: 'user.offerPassword',
    fresh: true,
    ownKey: true,
  }),
  defineRoute({
    method: 'DELETE',
    path: '/users/{user}',
    operationId: 'removeUser',
    summary: 'Takes an account out; its sessions are over within 30 s, and what it did stays in the audit',
    role: 'admin',
    params,
    answers: { 204: null },
    errors: ['NOT_FOUND', 'STATE_CONFLICT'],
    act: 'user.remove',
  }),
] as const;
