/**
 * What one route of the API is. The table of all of them (`routes.ts`) is the only source of the router, the OpenAPI document, the typed client and the test
 * of who may do what. No I/O.
 */
import type { FailureCode } from '@millrace/protocol';
import type { Role, Scope } from '@millrace/protocol/browser';
import type { z } from 'zod';

export { type Role, roles, type Scope, scopes } from '@millrace/protocol/browser';

/** Who may call a route: a role and those above it, `public` for calls without credentials. */
export type Access = Role | 'public';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type MediaType = 'application/json' | 'application/x-ndjson' | 'text/csv' | 'text/event-stream' | 'application/octet-stream';

export interface Route {
  readonly method: Method;
  /** Below `/v1`; `{name}` stands for one step, described by `params`. */
  readonly path: `/${string}`;
  /** Verb and object, such as `listJobs`; unique. */
  readonly operationId: string;
  /** One sentence for the documentation, without a full stop. */
  readonly summary: string;
  readonly role: Access;
  readonly scope?: Scope;
  /** Of the steps in braces; text only. */
  readonly params?: z.ZodObject;
  /** Text in, whatever it means out. Unknown names are refused. */
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** A body may be left out: then it is `{}`. */
  readonly bodyOptional?: true;
  /** Media types of the body when it is not JSON; the handler then gets its bytes. */
  readonly accepts?: readonly MediaType[];
  /** Bytes; 1 MiB when absent. */
  readonly bodyLimit?: number;
  /** By status. Null: no body. Answers of other media types than JSON: `media`, and the handler sends them. */
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  /** Media types that the answer may have besides JSON. */
  readonly media?: readonly MediaType[];
  /** Codes of problems that this route itself may answer, besides those that any route may. */
  readonly errors: readonly FailureCode[];
  /** Changes something: recorded before the act and after it, under this name. Required of all that are not GET, but those that are `readOnly`. */
  readonly act?: `${string}.${string}`;
  /** A POST only because its question is too long for a query: it changes nothing, so there is no act to record and no answer to keep for its key. */
  readonly readOnly?: true;
  /** Shows content of records: each view is recorded, under this name. */
  readonly view?: `${string}.${string}`;
  /** Shows content of records when it is asked for, by `content=true` or by a media type other than JSON: then it is for stewards, and recorded under this name. */
  readonly content?: `${string}.${string}`;
  /** Acts on what all tenants share: whoever acts for some of them may not. */
  readonly everyTenant?: true;
  /** Asks for a sign-in, or a token, of the last 10 minutes. */
  readonly fresh?: true;
  /** `Idempotency-Key` is not kept by the server: the act itself is idempotent by it, or it makes no sense (a sign-in). */
  readonly ownKey?: true;
  /** The answer carries an `ETag` of its content. */
  readonly etag?: true;
  /** The version looked at must stand in `If-Match`. */
  readonly ifMatch?: true;
}

/** Checks the shape and keeps the exact types for the client and the handlers. */
export function defineRoute<const R extends Route>(route: R): R {
  return route;
}

/** `GET /jobs/{jobId}`: how clients and handlers name a route. */
export type KeyOf<R extends Route> = R extends Route ? `${R['method']} ${R['path']}` : never;

export function keyOf<R extends Route>(route: R): KeyOf<R> {
  return `${route.method} ${route.path}` as KeyOf<R>;
}

/** What a handler is given. */
export type ParamsOf<R extends Route> = R extends { readonly params: infer S extends z.ZodType } ? z.output<S> : Record<string, never>;
export type QueryOf<R extends Route> = R extends { readonly query: infer S extends z.ZodType } ? z.output<S> : Record<string, never>;
export type BodyOf<R extends Route> = R extends { readonly accepts: readonly MediaType[] }
  ? Uint8Array
  : R extends { readonly body: infer S extends z.ZodType }
    ? z.output<S>
    : undefined;

/** Data that is only read: what a handler sends need not be its own copy. */
export type Sent<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Sent<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Sent<T[Key]> }
      : T;

/** Everything a handler may answer: one member for each status. */
export type AnswerOf<R extends Route> = {
  [Status in keyof R['answers'] & number]: {
    readonly status: Status;
    readonly body: R['answers'][Status] extends z.ZodType ? Sent<z.input<R['answers'][Status]>> : null;
  };
}[keyof R['answers'] & number];
