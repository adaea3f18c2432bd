/** The installation itself: codes, state, audit, the document of this API. */
import { auditOutcomes, failureClasses } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { filteredPageOf, filterQuery, instant, pageQuery } from '../shapes.ts';

export const codeShape = z
  .strictObject({
    code: z.string(),
    /** Null: ends a job or refuses a call, not an attempt. */
    class: z.enum(failureClasses).nullable(),
    title: z.string(),
    hint: z.string(),
    /** Status of a problem with this code; null where no call is answered so. */
    status: z.int().nullable(),
    /** Path of its page. */
    page: z.string(),
  })
  .meta({ id: 'Code' });

export const checkShape = z.strictObject({
  name: z.string(),
  ok: z.boolean(),
  /** What was found, and what to do where it is not right. */
  detail: z.string(),
});

export const statusShape = z
  .strictObject({
    /** `degraded`: pages are read from the journal, acts are refused. */
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    environment: z.string(),
    checkedAt: instant,
    checks: z.array(checkShape),
  })
  .meta({ id: 'InstallationStatus' });

export const auditRecordShape = z
  .strictObject({
    auditId: z.string(),
    at: instant,
    /** Of the second record of a pair: the first. */
    follows: z.string().nullable(),
    by: z.string(),
    role: z.string().nullable(),
    tenant: z.string().nullable(),
    from: z.string().nullable(),
    requestId: z.string().nullable(),
    act: z.string(),
    object: z.string(),
    before: z.record(z.string(), z.unknown()).nullable(),
    after: z.record(z.string(), z.unknown()).nullable(),
    outcome: z.enum(auditOutcomes).nullable(),
    code: z.string().nullable(),
    reason: z.string(),
  })
  .meta({ id: 'AuditRecord' });
export type AuditView = z.output<typeof auditRecordShape>;

export const installationRoutes = [
  defineRoute({
    method: 'GET',
    path: '/codes',
    operationId: 'listCodes',
    summary: 'Every failure code with its class, title and hint',
    role: 'viewer',
    answers: { 200: z.strictObject({ data: z.array(codeShape) }) },
    errors: [],
    etag: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/codes/{code}',
    operationId: 'readCode',
    summary: 'One failure code',
    role: 'viewer',
    params: z.strictObject({ code: z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/) }),
    answers: { 200: codeShape },
    errors: ['NOT_FOUND'],
    etag: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/status',
    operationId: 'readStatus',
    summary: 'Whether journal, Redis, scheduler and worker hosts are there, and what is wrong',
    role: 'viewer',
    answers: { 200: statusShape },
    errors: [],
  }),
  defineRoute({
    method: 'GET',
    path: '/audit',
    operationId: 'listAudit',
    summary: 'What was done by whom, newest first: one’s own acts, for admins all; as NDJSON all that match',
    role: 'viewer',
    query: z.strictObject({
      ...filterQuery,
      ...pageQuery,
      /** Days, `2026-11-23`; the newest is today when not given. */
      from: z.iso.date().optional(),
      to: z.iso.date().optional(),
    }),
    answers: { 200: filteredPageOf(auditRecordShape) },
    media: ['application/x-ndjson'],
    errors: ['FILTER_INVALID', 'CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'readOpenApi',
    summary: 'This API as an OpenAPI 3.1 document',
    role: 'public',
    answers: { 200: z.record(z.string(), z.unknown()) },
    errors: [],
    etag: true,
  }),
] as const;
