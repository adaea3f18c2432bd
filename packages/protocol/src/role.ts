/** What callers of the API may do, and the documents of the registry that say who they are. No secret stands in them: digests alone. */
import { z } from 'zod';
import { digest, instant } from './record-shapes.ts';

/** In rising order: each may do what those before it may. */
export const roles = ['viewer', 'operator', 'steward', 'admin'] as const;
export type Role = (typeof roles)[number];

/** What a token can be narrowed to. One with scopes may call only routes that name one of them. */
export const scopes = ['stats:read'] as const;
export type Scope = (typeof scopes)[number];

const tenants = z.array(z.string()).nullable();

/** `registry/tokens/<tokenId>`; the id is made of the digest of the secret, so a token is found without a list. */
export const tokenDocumentShape = z.object({
  tokenId: z.string().regex(/^t[0-9a-z]{26}$/),
  /** SHA-256 of the secret, which is kept nowhere. */
  sha256: digest,
  name: z.string(),
  role: z.enum(roles),
  /** Null: all. */
  tenants,
  /** Null: every route that the role may call. */
  scopes: z.array(z.enum(scopes)).nullable(),
  createdAt: instant,
  createdBy: z.string(),
  expiresAt: instant,
});
export type TokenDocument = z.output<typeof tokenDocumentShape>;

/** Numbers of scrypt, and what it made; salt and key in hex. */
export const passwordShape = z.object({
  algorithm: z.literal('scrypt'),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  key: digest,
  cost: z
    .int()
    .min(2)
    .max(2 ** 20),
  blockSize: z.int().min(1).max(32),
  parallelization: z.int().min(1).max(16),
});
export type PasswordDigest = z.output<typeof passwordShape>;

/** `registry/users/<id made of the name>`; taken out: may not sign in any more. */
export const userDocumentShape = z.object({
  user: z.string().min(1).max(128),
  role: z.enum(roles),
  tenants,
  password: passwordShape,
  createdAt: instant,
  /** Sessions begun before it are over. */
  passwordSetAt: instant,
});
export type UserDocument = z.output<typeof userDocumentShape>;

/** `registry/api/<name>`: what all servers of the API share. `cursors`: the key that cursors are signed with, in hex. */
export const apiDocumentShape = z.object({ key: digest });
export type ApiDocument = z.output<typeof apiDocumentShape>;
