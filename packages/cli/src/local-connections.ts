/**
 * Connections for a person at a command line: those of `MILLRACE_CONNECTIONS`, or else what the environment gives for exactly the buckets and servers
 * that the command names.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connections } from '@millrace/core-client';
import { bucketParts, kindOfScheme } from '@millrace/protocol';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of credentials that children may need, as other tools name them. */
const known = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'GOOGLE_OAUTH_ACCESS_TOKEN',
  'AZURE_STORAGE_ACCOUNT',
  'AZURE_STORAGE_KEY',
  'AZURE_STORAGE_SAS_TOKEN',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_ROLE_ARN',
  'AWS_ROLE_SESSION_NAME',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'GOOGLE_APPLICATION_CREDENTIALS',
  'AZURE_CLIENT_ID',
  'AZURE_TENANT_ID',
  'AZURE_FEDERATED_TOKEN_FILE',
  'AZURE_AUTHORITY_HOST',
] as const;

export interface LocalConnections {
  readonly connections: Connections;
  /** The same with the journal of a run. Throws a `CommandError` where no connection covers it. */
  withJournal(uri: string): Connections;
  /** What a child process needs in its environment to have the same. `directory`: one that goes with the children. */
  environment(directory: string): Record<string, string>;
}

/** `uris`: every place that the command reads or writes. */
export function localConnections(uris: readonly string[], environment: Environment = process.env): LocalConnections {
  const path = environment['MILLRACE_CONNECTIONS'];
  if (path !== undefined && path !== '') {
    const connections = explained(() => Connections.read(path, environment));
    return {
      connections,
      withJournal: (uri) => explained(() => connections.withJournal(uri)),
      environment: () => ({ ...given(environment, [...known, ...connections.variables]), MILLRACE_CONNECTIONS: path }),
    };
  }
  const written = settingsFor(uris, environment);
  const connections = explained(() => Connections.of(written, environment));
  return {
    connections,
    withJournal: (uri) => explained(() => connections.withJournal(uri)),
    environment: (directory) => {
      if (written.length === 0) return {};
      const file = join(directory, `connections-${process.pid}.json`);
      writeFileSync(file, JSON.stringify(written), { mode: 0o600 });
      return { ...given(environment, known), MILLRACE_CONNECTIONS: file };
    },
  };
}

function given(environment: Environment, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
}

function explained<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new CommandError(exitCodes.usage, (error as Error).message);
  }
}

/** One for each bucket and each server, in the order they are named. */
function settingsFor(uris: readonly string[], environment: Environment): Record<string, unknown>[] {
  const settings = new Map<string, Record<string, unknown>>();
  for (const uri of uris) {
    const setting = bucketParts(uri) === null ? serverSetting(uri) : bucketSetting(uri, environment);
    if (setting !== null && !settings.has(setting.key)) settings.set(setting.key, { name: `cli-${settings.size}`, ...setting.fields });
  }
  return [...settings.values()];
}

interface Setting {
  readonly key: string;
  readonly fields: Record<string, unknown>;
}

function bucketSetting(uri: string, environment: Environment): Setting | null {
  const parts = bucketParts(uri);
  if (parts === null) return null;
  const fields = { kind: kindOfScheme[parts.scheme], bucket: parts.bucket, mode: 'both', ...ofProvider[parts.scheme](environment) };
  return { key: `${parts.scheme}://${parts.bucket}`, fields };
}

const variable = (environment: Environment, env: string): { env: string } | undefined => (environment[env] ? { env } : undefined);
const only = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
const plain = (endpoint: string | undefined): true | undefined => (endpoint?.startsWith('http://') ? true : undefined);

const ofProvider: Record<'s3' | 'gs' | 'az', (environment: Environment) => Record<string, unknown>> = {
  s3: (environment) => {
    const endpoint = environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
    const keys = only({
      accessKeyId: variable(environment, 'AWS_ACCESS_KEY_ID'),
      secretAccessKey: variable(environment, 'AWS_SECRET_ACCESS_KEY'),
      sessionToken: variable(environment, 'AWS_SESSION_TOKEN'),
    });
    const isAmbient =
      environment['AWS_WEB_IDENTITY_TOKEN_FILE'] ?? environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
    const auth = Object.keys(keys).length > 0 ? { credentials: keys } : { auth: isAmbient === undefined ? 'none' : 'ambient' };
    const region = environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'];
    return only({ endpoint, region, plainHttp: plain(endpoint), ...auth });
  },
  gs: (environment) => {
    const bearer = variable(environment, 'GOOGLE_OAUTH_ACCESS_TOKEN');
    const path = environment['GOOGLE_APPLICATION_CREDENTIALS'];
    const credentials = bearer !== undefined ? { bearer } : path?.startsWith('/') ? { serviceAccount: { file: path } } : undefined;
    return only({ credentials, auth: credentials === undefined ? 'none' : undefined });
  },
  az: (environment) => {
    const keys = only({
      account: variable(environment, 'AZURE_STORAGE_ACCOUNT'),
      accessKey: variable(environment, 'AZURE_STORAGE_KEY'),
      sas: environment['AZURE_STORAGE_KEY'] ? undefined : variable(environment, 'AZURE_STORAGE_SAS_TOKEN'),
    });
    const endpoint = environment['AZURE_STORAGE_SERVICE_ENDPOINT'];
    return only({ endpoint, plainHttp: plain(endpoint), credentials: keys });
  },
};

/** Who types a URL may reach what they could reach with any other tool: also a server in their own network, and one without TLS. */
function serverSetting(uri: string): Setting | null {
  if (!/^https?:\/\//.test(uri)) return null;
  const url = new URL(uri);
  return { key: url.origin, fields: { kind: 'http', endpoint: url.origin, privateAddresses: true, ...(url.protocol === 'http:' ? { plainHttp: true } : {}) } };
}
