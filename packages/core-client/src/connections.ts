/**
 * The stores that this process's cores may talk to: told in `Hello`, without credentials; those are read from where the operator keeps them, anew for
 * each request, so that a rotated one is used at once. Nothing of them is kept or logged.
 */
import { readFileSync } from 'node:fs';
import { authOf, bucketParts, type ConnectionSetting, type CredentialSource, filePath, kindOfScheme, parseConnections } from '@millrace/protocol';
import type { Connection, Credential } from '@millrace/protocol/wire';

/** Identities of workloads: what the core's environment may hold of ours when a connection says `ambient`. */
const ambientVariables = [
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

const kindsOfCredentials = { s3: 'aws', gcs: 'gcs', azure: 'azure', http: 'http' } as const;

type Environment = Readonly<Record<string, string | undefined>>;

interface JournalPlace {
  readonly uri: string;
  /** Of a journal in a bucket: the setting whose endpoint and credentials it uses. */
  readonly setting: ConnectionSetting | null;
}

export class Connections {
  static readonly none = new Connections([], {}, null);

  readonly settings: readonly ConnectionSetting[];
  readonly #environment: Environment;
  readonly #journal: JournalPlace | null;

  private constructor(settings: readonly ConnectionSetting[], environment: Environment, journal: JournalPlace | null) {
    this.settings = settings;
    this.#environment = environment;
    this.#journal = journal;
  }

  /** Throws an Error that names every problem of the file, and none of its values. Without a path there are no connections. */
  static read(path: string | undefined, environment: Environment): Connections {
    if (path === undefined) return new Connections([], environment, null);
    let written: unknown;
    try {
      written = JSON.parse(readFileSync(path, 'utf8'));
    } catch (error) {
      // The parser's message may quote the text, which may hold what it should not.
      throw new Error(`cannot read the connections in ${path}: ${error instanceof SyntaxError ? 'it is no JSON' : (error as NodeJS.ErrnoException).code}`);
    }
    return Connections.of(written, environment, path);
  }

  static of(written: unknown, environment: Environment, where = 'the settings'): Connections {
    const parsed = parseConnections(written);
    if ('problems' in parsed) throw new Error(`cannot use the connections in ${where}: ${parsed.problems.join('; ')}`);
    return new Connections(parsed.connections, environment, null);
  }

  /** The same, with the journal at a URI as the connection `journal`. Throws where no connection covers a bucket. */
  withJournal(uri: string): Connections {
    if (uri.startsWith('file:///')) return new Connections(this.settings, this.#environment, { uri, setting: null });
    const parts = bucketParts(uri);
    if (parts === null) throw new Error(`cannot open the journal: expected file:///directory or a URI of a bucket, got ${JSON.stringify(uri)}`);
    const key = withSlash(parts.key);
    const covers = (one: ConnectionSetting): boolean =>
      one.kind === kindOfScheme[parts.scheme] && one.bucket === parts.bucket && one.mode === 'both' && key.startsWith(withSlash(one.prefix));
    const [best] = this.settings.filter(covers).sort((one, other) => withSlash(prefixOf(other)).length - withSlash(prefixOf(one)).length);
    if (best === undefined) throw new Error(`cannot open the journal: no connection of mode both covers ${uri}`);
    return new Connections(this.settings, this.#environment, { uri, setting: best });
  }

  /** For `Hello`. The journal first. */
  forHello(): Connection[] {
    return [...(this.#journal === null ? [] : [journalOf(this.#journal)]), ...this.settings.map(wireOf)];
  }

  /** Directories that the core must be able to write for the journal. */
  get journalDirectory(): string | null {
    return this.#journal?.uri.startsWith('file:///') ? filePath(this.#journal.uri).replace(/\/+$/, '') : null;
  }

  /** Throws an Error naming a connection whose credential is not where it should be. For the start of a service. */
  check(): void {
    for (const setting of this.settings) {
      const missing = this.#fieldsOf(setting).find(({ value }) => value === null);
      if (missing !== undefined) throw new Error(`cannot use the connection ${setting.name}: ${missing.name} is not in ${missing.where}`);
    }
  }

  /** For one request. A connection whose credentials are gone for now gets none: the core then says so of what needs it, and of nothing else. */
  credentials(): Credential[] {
    const found = this.settings.flatMap((setting) => this.#credentialOf(setting));
    const journal = found.find(({ connection }) => connection === this.#journal?.setting?.name);
    return journal === undefined ? found : [...found, { ...journal, connection: 'journal' }];
  }

  /** What the core's environment holds of ours. */
  ambient(): Record<string, string> {
    if (!this.settings.some((setting) => authOf(setting) === 'ambient')) return {};
    return Object.fromEntries(ambientVariables.flatMap((name) => (this.#environment[name] === undefined ? [] : [[name, this.#environment[name]]])));
  }

  /** Names of variables and paths of files that hold credentials: what children need to be given. */
  get variables(): string[] {
    const sources = this.settings.flatMap(({ credentials }) => Object.values(credentials ?? {}) as (CredentialSource | undefined)[]);
    return sources.flatMap((source) => (source !== undefined && 'env' in source ? [source.env] : []));
  }

  #credentialOf(setting: ConnectionSetting): Credential[] {
    if (authOf(setting) !== 'pipe') return [];
    const fields = this.#fieldsOf(setting).map(({ name, value }) => ({ name, value: value ?? '' }));
    if (fields.some(({ value }) => value === '')) return [];
    return [{ connection: setting.name, kind: kindsOfCredentials[setting.kind], fields, expiresAtMs: null }];
  }

  #fieldsOf(setting: ConnectionSetting): { readonly name: string; readonly value: string | null; readonly where: string }[] {
    const sources = Object.entries(setting.credentials ?? {}) as [string, CredentialSource | undefined][];
    return sources.flatMap(([name, source]) => {
      if (source === undefined) return [];
      const value = 'env' in source ? this.#environment[source.env] : readOrNothing(source.file);
      return [{ name, value: value || null, where: 'env' in source ? `the variable ${source.env}` : `the file ${source.file}` }];
    });
  }
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function wireOf(setting: ConnectionSetting): Connection {
  const { name, kind, mode, plainHttp } = setting;
  return {
    name,
    kind,
    endpoint: setting.endpoint ?? null,
    region: 'region' in setting ? (setting.region ?? null) : null,
    bucket: 'bucket' in setting ? setting.bucket : null,
    prefix: setting.prefix,
    mode,
    auth: authOf(setting),
    plainHttp,
    privateAddresses: 'privateAddresses' in setting && setting.privateAddresses,
  };
}

function journalOf({ uri, setting }: { readonly uri: string; readonly setting: ConnectionSetting | null }): Connection {
  if (setting === null) return fileConnection('journal', filePath(uri), 'both');
  return { ...wireOf(setting), name: 'journal', mode: 'both', prefix: withSlash(bucketParts(uri)?.key ?? '') };
}

/** A local directory as a connection. */
export function fileConnection(name: string, directory: string, mode: Connection['mode']): Connection {
  const prefix = directory.replace(/\/+$/, '') || '/';
  const none = { endpoint: null, region: null, bucket: null, plainHttp: false, privateAddresses: false } as const;
  return { name, kind: 'file', prefix, mode, auth: 'none', ...none };
}

const withSlash = (prefix: string): string => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`);
const prefixOf = (setting: ConnectionSetting): string => setting.prefix;
