/**
 * Connections as an operator writes them: a JSON list of stores with where their credentials are found, never the credentials themselves. Pure.
 */
import { z } from 'zod';

/** Where a credential is found: a variable of the process's environment, or a file that holds nothing else. */
const source = z.union([z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }), z.strictObject({ file: z.string().startsWith('/') })]);

export type CredentialSource = z.output<typeof source>;

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected lower-case letters, digits and dashes, at most 63');
const folder = z
  .string()
  .max(1_024)
  .refine((prefix) => prefix === '' || prefix.split('/').every((step, at, all) => (step !== '' || at === all.length - 1) && step !== '.' && step !== '..'), {
    message: 'expected a prefix such as "lake/orders/", without empty steps',
  });

const common = {
  name,
  mode: z.enum(['read', 'write', 'both']).default('read'),
  /** Permits an endpoint without TLS. */
  plainHttp: z.boolean().default(false),
};

/** `pipe`: credentials go with each request; `ambient`: the core uses the identity of its workload; `none`: requests are not signed. */
const auth = z.enum(['pipe', 'ambient', 'none']).optional();

const bucketOf = <const Kind extends 's3' | 'gcs' | 'azure', Fields extends z.ZodType>(kind: Kind, credentials: Fields) =>
  z.strictObject({
    ...common,
    kind: z.literal(kind),
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    region: z.string().min(1).max(64).optional(),
    /** Bucket or container. */
    bucket: z.string().min(1).max(255),
    prefix: folder.default(''),
    auth,
    credentials: credentials.optional(),
  });

const connection = z
  .discriminatedUnion('kind', [
    bucketOf('s3', z.strictObject({ accessKeyId: source, secretAccessKey: source, sessionToken: source.optional() })),
    bucketOf('gcs', z.strictObject({ serviceAccount: source.optional(), bearer: source.optional() })),
    bucketOf('azure', z.strictObject({ account: source.optional(), accessKey: source.optional(), sas: source.optional(), bearer: source.optional() })),
    z.strictObject({
      ...common,
      kind: z.literal('http'),
      mode: z.literal('read').default('read'),
      /** `https://host[:port]` */
      endpoint: z.url({ protocol: /^https?$/ }),
      prefix: folder.default(''),
      /** Permits addresses that are not public. */
      privateAddresses: z.boolean().default(false),
      credentials: z.strictObject({ bearer: source }).optional(),
    }),
  ])
  .superRefine((one, ctx) => {
    const problem = (message: string): void => void ctx.addIssue({ code: 'custom', message });
    if ('endpoint' in one && one.endpoint?.startsWith('http://') && !one.plainHttp) problem('an endpoint without TLS needs plainHttp: true');
    const written = 'auth' in one ? one.auth : undefined;
    const given = Object.keys(one.credentials ?? {}).length;
    if (written === 'pipe' && given === 0) problem('auth: pipe needs credentials');
    if ((written === 'ambient' || written === 'none') && given > 0) problem(`auth: ${written} takes no credentials`);
    if (one.kind === 'azure' && one.endpoint === undefined && one.credentials?.account === undefined) problem('expected an endpoint or an account');
  });

const list = z
  .array(connection)
  .max(200)
  .superRefine((all, ctx) => {
    const seen = new Set<string>();
    for (const { name } of all) {
      if (seen.has(name)) ctx.addIssue({ code: 'custom', message: `two connections are called ${name}` });
      if (name === 'journal' || name === 'files' || name.startsWith('place-')) ctx.addIssue({ code: 'custom', message: `the name ${name} is taken` });
      seen.add(name);
    }
  });

export type ConnectionSetting = z.output<typeof connection>;

/** What an operator's file says, or every problem of it. A message never repeats a value: someone may have written a secret in its place. */
export function parseConnections(written: unknown): { readonly connections: readonly ConnectionSetting[] } | { readonly problems: readonly string[] } {
  const result = list.safeParse(written);
  if (result.success) return { connections: result.data };
  return { problems: result.error.issues.map(problemOf) };
}

function problemOf(issue: z.core.$ZodIssue): string {
  const place = issue.path.length === 0 ? '' : `/${issue.path.join('/')}: `;
  if (issue.code === 'unrecognized_keys') return `${place}unknown ${issue.keys.join(', ')}`;
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) return `${place}expected s3, gcs, azure or http`;
  return `${place}${issue.message}`;
}

/** How a connection is let in. Written or, where it is not, what the credentials say. */
export function authOf(setting: ConnectionSetting): 'pipe' | 'ambient' | 'none' {
  if ('auth' in setting && setting.auth !== undefined) return setting.auth;
  return Object.keys(setting.credentials ?? {}).length > 0 ? 'pipe' : 'none';
}

/** Bucket and key of `s3://bucket/key`, or null for what is no URI of a bucket. */
export function bucketParts(uri: string): { readonly scheme: 's3' | 'gs' | 'az'; readonly bucket: string; readonly key: string } | null {
  const match = /^(s3|gs|az):\/\/([^/]+)(?:\/(.*))?$/s.exec(uri);
  return match === null ? null : { scheme: match[1] as 's3' | 'gs' | 'az', bucket: match[2] ?? '', key: match[3] ?? '' };
}

export const kindOfScheme = { s3: 's3', gs: 'gcs', az: 'azure' } as const;
