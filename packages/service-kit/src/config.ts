/**
 * Configuration: read once from the environment, whole, checked by one zod schema, frozen. All problems are told at once, unknown variables with our
 * prefix are refused with the nearest name, and nothing is corrected silently.
 */
import { nearestName } from '@millrace/protocol';
import { z } from 'zod';

const prefix = 'MILLRACE_';

/** Keys are the variables' whole names; values read text, such as `text.integer(1, 64)`. */
export type ConfigShape = Readonly<Record<`MILLRACE_${string}`, z.ZodType>>;
export type ConfigOf<Shape extends ConfigShape> = { readonly [Name in keyof Shape]: z.output<Shape[Name]> };

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`cannot start with this configuration: ${problems.join('; ')}`);
    this.problems = problems;
  }
}

export interface LoadOptions {
  /** Variables with our prefix that are other processes' business: set for a whole tree, unused here. */
  readonly alsoKnown?: readonly string[];
  /** Names whose value never appears in a message. Defaults to those that hold keys, tokens or passwords. */
  readonly secret?: readonly string[];
}

/** Throws `ConfigError` with every problem. `check` adds problems that tie variables together; it runs when each by itself is right. */
export function loadConfig<Shape extends ConfigShape>(
  shape: Shape,
  env: Readonly<Record<string, string | undefined>>,
  check: (config: ConfigOf<Shape>) => readonly string[] = () => [],
  options: LoadOptions = {},
): ConfigOf<Shape> {
  const problems = unknownVariables(Object.keys(shape), env, options.alsoKnown ?? []);
  const config: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(shape)) {
    // An empty variable is one that is not set: shells have no other way to say so.
    const written = env[name] === '' ? undefined : env[name];
    const result = variable.safeParse(written);
    if (result.success) config[name] = result.data;
    else problems.push(problemOf(name, written, result.error, isSecret(name, options)));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const ties = check(config as ConfigOf<Shape>);
  if (ties.length > 0) throw new ConfigError(ties);
  return Object.freeze(config) as ConfigOf<Shape>;
}

/** A setting as people read of it. */
export interface SettingDescription {
  readonly name: string;
  /** What values it takes. */
  readonly expected: string;
  /** As it would be written; null: there is none, and it need not be given. */
  readonly standard: string | null;
  readonly isRequired: boolean;
  readonly help: string;
}

/** Throws when a setting lacks its help, or is of a form that nothing is known of. */
export function describeSettings(shape: ConfigShape): SettingDescription[] {
  return Object.entries(shape).map(([name, schema]) => {
    const layers = layersOf(schema);
    const help = layers.map((layer) => layer.description).find((text) => text !== undefined);
    const expected = layers.map((layer) => layer.meta()?.['expected']).find((text) => typeof text === 'string');
    if (help === undefined || expected === undefined) throw new TypeError(`cannot describe ${name}: expected .describe(…) on a reader of service-kit`);
    const standard = layers.map((layer) => ('defaultValue' in layer.def ? String(layer.def.defaultValue) : null)).find((text) => text !== null) ?? null;
    return { name, expected, standard, isRequired: !schema.safeParse(undefined).success, help };
  });
}

/** A schema and what it wraps, from the outside in. */
function layersOf(schema: z.ZodType): z.ZodType[] {
  const inner = 'innerType' in schema.def ? (schema.def.innerType as z.ZodType) : null;
  return inner === null ? [schema] : [schema, ...layersOf(inner)];
}

/** What may be logged: secrets replaced. */
export function redactedConfig(config: Readonly<Record<string, unknown>>, options: LoadOptions = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).map(([name, value]) => [name, isSecret(name, options) && value !== null ? '[redacted]' : value]));
}

/** What a setting is told as, for the page of settings. */
export const told = <Schema extends z.ZodType>(expected: string, schema: Schema): Schema => schema.meta({ expected }) as Schema;

/** Readers of text. Each may be given `.default(…)`, `.prefault(…)` or `.optional()`. */
export const setting = {
  text: (max = 4_096) => told(`text of up to ${max} characters`, z.string().min(1).max(max)),
  integer: (min: number, max: number) => numberText('an integer', min, max, /^-?\d{1,15}$/),
  number: (min: number, max: number) => numberText('a number', min, max, /^-?\d{1,15}(?:\.\d{1,15})?$/),
  flag: () =>
    told(
      '`true` or `false`',
      z.enum(['true', 'false']).transform((written) => written === 'true'),
    ),
  choice: <const Words extends readonly [string, ...string[]]>(...words: Words) => told(words.map((word) => `\`${word}\``).join(', '), z.enum(words)),
  /** Words, separated by commas. */
  list: () =>
    told(
      'words, separated by commas',
      z.string().transform((written) =>
        written
          .split(',')
          .map((word) => word.trim())
          .filter((word) => word !== ''),
      ),
    ),
  /** Absolute paths, separated by `:`. */
  directories: () =>
    told(
      'absolute directories, separated by `:`',
      z.string().transform((written, ctx) => {
        const paths = written.split(':').filter((path) => path !== '');
        const relative = paths.find((path) => !path.startsWith('/'));
        if (relative === undefined) return paths;
        ctx.issues.push({ code: 'custom', input: written, message: `expected absolute directories separated by ":", got ${JSON.stringify(relative)}` });
        return z.NEVER;
      }),
    ),
};

function numberText(what: string, min: number, max: number, pattern: RegExp) {
  const schema = z.string().transform((written, ctx) => {
    const value = Number(written);
    if (pattern.test(written) && value >= min && value <= max) return value;
    ctx.issues.push({ code: 'custom', input: written, message: `expected ${what} from ${min} to ${max}` });
    return z.NEVER;
  });
  return told(`${what} from ${min} to ${max}`, schema);
}

function unknownVariables(known: readonly string[], env: Readonly<Record<string, string | undefined>>, alsoKnown: readonly string[]): string[] {
  const unknown = Object.keys(env).filter((name) => name.startsWith(prefix) && !known.includes(name) && !alsoKnown.includes(name));
  return unknown.map((name) => {
    const nearest = nearestName(
      name.slice(prefix.length),
      known.map((one) => one.slice(prefix.length)),
    );
    return `unknown variable ${name}${nearest === undefined ? '' : `, did you mean ${prefix}${nearest}?`}`;
  });
}

function problemOf(name: string, written: string | undefined, error: z.ZodError, secret: boolean): string {
  if (written === undefined) return `${name} is required`;
  const got = secret ? 'something else' : JSON.stringify(written);
  const expected = error.issues.map((issue) => (issue.code === 'invalid_value' ? `expected one of ${issue.values.join(', ')}` : issue.message)).join(', ');
  return `${name}: ${secret ? 'not of the form it must have' : expected}${/got /.test(expected) && !secret ? '' : `, got ${got}`}`;
}

function isSecret(name: string, options: LoadOptions): boolean {
  return options.secret?.includes(name) ?? /KEY|TOKEN|SECRET|PASSWORD/.test(name);
}
