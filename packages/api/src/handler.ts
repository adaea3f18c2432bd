/** What a handler of a route is given and what it answers. The server has done the rest: who asks, whether they may, whether the request has the right shape, the audit. */
import type { Readable } from 'node:stream';
import type { AnswerOf, BodyOf, KeyOf, MediaType, ParamsOf, QueryOf, Route } from '@millrace/api-contract';
import type { AuditPlace } from '@millrace/journal';
import type { Api } from './api.ts';
import type { Caller } from './auth/caller.ts';

export interface Call<R extends Route> {
  readonly params: ParamsOf<R>;
  readonly query: QueryOf<R>;
  readonly body: BodyOf<R>;
  /** Who asks. Of a `public` route without credentials: nobody. */
  readonly caller: Caller;
  /** `r…`; stands in the answer, the log and the audit. */
  readonly requestId: string;
  readonly idempotencyKey: string | null;
  /** The first record of the act, which stands; null: there is nothing to record. */
  readonly audit: AuditPlace | null;
  /** Version that was looked at, of routes that ask for it. */
  readonly ifMatch: string | null;
  /** Media types of the answer that the caller takes, best first; `*∕*` when it did not say. */
  readonly accept: readonly string[];
  readonly header: (name: string) => string | undefined;
  /** Raised when the caller has gone. */
  readonly signal: AbortSignal;
  /** Address of the caller. */
  readonly from: string;
}

interface Around {
  readonly headers?: Readonly<Record<string, string>>;
  /** Version of a document, without quotes; else, where the route carries one, the digest of the body. */
  readonly etag?: string;
  /** For the audit: what was acted on, such as `job:<jobId>`, where the path does not say it, and what became of it. */
  readonly object?: string;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** An answer that is not JSON: sent as it comes, with the pace of who reads it. */
export interface StreamAnswer extends Around {
  readonly status: 200 | 206;
  readonly media: MediaType;
  readonly stream: Readable | AsyncIterable<string | Uint8Array>;
}

export type Answered<R extends Route> = (AnswerOf<R> & Around) | (R extends { readonly media: readonly MediaType[] } ? StreamAnswer : never);

export type Handler<R extends Route> = (call: Call<R>, api: Api) => Promise<Answered<R>>;

/** The handlers of a resource: one for each of its routes. A missing one does not compile. */
export type HandlersOf<Routes extends readonly Route[]> = { readonly [R in Routes[number] as KeyOf<R>]: Handler<R> };

/** A handler whose types the table of its resource has checked. */
export type AnyHandler = (call: Call<Route>, api: Api) => Promise<AnyAnswer>;
export type AnyAnswer = ({ readonly status: number; readonly body: unknown } & Around) | StreamAnswer;
