/**
 * Fingerprints group failures by cause: computed once, where the failure is classified, and stored with it. `fp1` is the version of the rule.
 * The discriminator of a class never contains a value or a message, but for the unforeseen, whose parameters are taken out.
 */
import { sha256Hex } from './canonical-json.ts';
import type { FailureClass } from './failure.ts';

/** `fp1-` and 16 hex digits. */
export function fingerprint(code: string, discriminator: readonly string[]): string {
  return `fp1-${sha256Hex([code, ...discriminator].join('\n')).slice(0, 16)}`;
}

/** What is known of a failure beside its code; fields that its class does not use are ignored. */
export interface FingerprintFacts {
  readonly jobName: string;
  readonly stage: string;
  /** Input name. */
  readonly input?: string | undefined;
  readonly column?: string | undefined;
  /** Storage operation and status class, such as `GetObject 503`; and bucket or host. */
  readonly operation?: string | undefined;
  readonly place?: string | undefined;
  /** What ran out: `memory`, `disk`, `time`. */
  readonly ranOut?: string | undefined;
  /** Own frames, top first, such as `millrace_engine::process::run at process.rs:12`. */
  readonly frames?: readonly string[] | undefined;
  readonly requestKind?: string | undefined;
  /** `expired`, `fenced`, `evicted`, `killed`. */
  readonly reason?: string | undefined;
  /** Of the unforeseen: type and text of what was thrown. */
  readonly errorType?: string | undefined;
  readonly message?: string | undefined;
}

/** The fingerprint of a failure of this class. `null`: the unforeseen. */
export function fingerprintOf(code: string, failureClass: FailureClass | null, facts: FingerprintFacts): string {
  return fingerprint(code, discriminatorOf(failureClass, facts));
}

function discriminatorOf(failureClass: FailureClass | null, facts: FingerprintFacts): string[] {
  switch (failureClass) {
    case 'data':
      return [facts.jobName, facts.stage, facts.column ?? '-'];
    case 'input':
      return [facts.jobName, facts.input ?? '-'];
    case 'transient':
      return [facts.operation ?? '-', facts.place ?? '-'];
    case 'resource':
      return [facts.jobName, facts.stage, facts.ranOut ?? '-'];
    case 'crash':
    case 'bug': {
      const frames = (facts.frames ?? []).slice(0, 3).map(withoutLineNumbers);
      return frames.length > 0 ? frames : [facts.requestKind ?? '-'];
    }
    case 'lost':
      return [facts.reason ?? '-'];
    case null:
      return [facts.errorType ?? '-', withoutParameters(facts.message ?? ''), ...(facts.frames ?? []).slice(0, 5).map(withoutLineNumbers)];
    default:
      return failureClass satisfies never;
  }
}

function withoutLineNumbers(frame: string): string {
  return frame.replace(/:\d+(?::\d+)?/g, '').trim();
}

// The order matters: an e-mail address contains a host, a date contains integers.
const parameters: readonly (readonly [RegExp, string])[] = [
  [/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, '<email>'],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'`]+/gi, '<url>'],
  [/\b(?:[a-z0-9-]+\.)+(?:[a-z]{2,})(?::\d+)?\b/gi, '<host>'],
  [/\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b|\b(?:[0-9a-f]{1,4}:){2,7}[0-9a-f]{0,4}\b/gi, '<ip>'],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '<uuid>'],
  [/\b[0-9a-f]{32,}\b/gi, '<digest>'],
  [/\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?/g, '<date>'],
  [/\b\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|m|h|d)\b/g, '<duration>'],
  [/\b0x[0-9a-f]+\b/gi, '<hex>'],
  [/-?\b\d+\.\d+(?:e[+-]?\d+)?\b/gi, '<float>'],
  [/-?\b\d+\b/g, '<integer>'],
  [/"[^"]*"|'[^']*'|`[^`]*`/g, '<text>'],
];

/** Message text with everything taken out that differs from one occurrence to the next. */
export function withoutParameters(message: string): string {
  return parameters.reduce((text, [pattern, placeholder]) => text.replace(pattern, placeholder), message);
}
