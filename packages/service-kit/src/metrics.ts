/**
 * Numbers for Prometheus. The only importer of prom-client, over a registry of its own. A metric is declared with the closed set of values of each of its
 * labels, so that the number of series has a bound that can be computed; names that come from outside go through `OpenNames`, which folds the ones beyond
 * its bound into `other`. Series that can occur stand there with 0 from the start: `increase()` does not see the step of a series that is born at 1.
 */
import { collectDefaultMetrics, Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry } from 'prom-client';

/** A closed set of values, or names from outside up to a bound. */
export type LabelSet = readonly string[] | OpenNames;
export type LabelSets = Readonly<Record<string, LabelSet>>;
export type LabelsOf<Sets extends LabelSets> = { readonly [Name in keyof Sets]: Sets[Name] extends readonly (infer Value)[] ? Value : string };

export interface MetricSpec<Sets extends LabelSets> {
  readonly name: `millrace_${string}`;
  /** One sentence with its unit. */
  readonly help: string;
  readonly labels?: Sets;
  /** Which combinations of values there are; all unless told. */
  readonly occurs?: (labels: LabelsOf<Sets>) => boolean;
  /** False: a series is born with its first value, because hardly any of the combinations ever occurs. Defaults to true. */
  readonly fromStart?: boolean;
}

export interface Counter<Sets extends LabelSets> {
  /** `by`: 1 unless told; never negative. */
  add(labels: LabelsOf<Sets>, by?: number): void;
}

export interface Gauge<Sets extends LabelSets> {
  set(labels: LabelsOf<Sets>, value: number): void;
  /** Every series as it was at the start: for what only a leader may say. */
  reset(): void;
}

export interface Histogram<Sets extends LabelSets> {
  observe(labels: LabelsOf<Sets>, value: number): void;
}

/** Upper bounds in seconds: of waiting; of attempts and requests to cores; of calls over a network; of whole jobs. */
export const buckets = {
  wait: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900],
  run: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900],
  call: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
  long: [10, 60, 300, 900, 3_600, 14_400, 86_400],
} as const;
export type Buckets = keyof typeof buckets;

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** A declared metric, as the page of metrics tells it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: Readonly<Record<string, LabelSet>>;
  readonly buckets: Buckets | null;
  /** Lines of the exposition when every combination that occurs has a value. */
  readonly mostSeries: number;
}

/** What names beyond the bound are counted as. */
export const otherName = 'other';

/** Names that come from outside, such as those of specs: the first so many are values of a label, the others are folded into one. */
export class OpenNames {
  readonly what: string;
  /** How many names, `other` not among them. */
  readonly most: number;
  readonly #names: Set<string>;
  readonly #onNew: ((name: string) => void)[] = [];
  readonly #onFolded: () => void;

  constructor(what: string, most: number, configured: readonly string[], onFolded: () => void) {
    this.what = what;
    this.most = most;
    this.#names = new Set(configured.slice(0, most));
    this.#onFolded = onFolded;
  }

  /** Those known by now, with `other`. */
  get values(): readonly string[] {
    return [...this.#names, otherName];
  }

  /** The value to count a name under. A name that is new and still fits is known from here on, and its series stand with 0. */
  know(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= this.most || name === otherName) {
      this.#onFolded();
      return otherName;
    }
    this.#names.add(name);
    for (const tell of this.#onNew) tell(name);
    return name;
  }

  /** Values by which a metric is bounded. */
  get bound(): number {
    return this.most + 1;
  }

  onNew(tell: (name: string) => void): void {
    this.#onNew.push(tell);
  }
}

/**
 * These ask Node for its live handles and requests by functions that are not public. Node 24 aborts the process in them when a handle's owner was collected
 * (`AsyncWrap::GetOwner`: `!obj.IsEmpty()`): a scrape must not be able to do that. `nodejs_active_resources` tells nearly the same by a public one.
 */
const unsafeOfLibrary = ['nodejs_active_handles', 'nodejs_active_handles_total', 'nodejs_active_requests', 'nodejs_active_requests_total'];

type Series = Readonly<Record<string, string>>;

export class Metrics {
  readonly #registry = new Registry();
  readonly #described: MetricDescription[] = [];
  readonly #overflow: Counter<{ reason: readonly string[] }>;
  readonly #folding = new Set<string>();

  /** `folding`: the labels whose names come from outside. */
  constructor(folding: readonly string[] = []) {
    for (const what of [...folding, 'unlisted']) this.#folding.add(what);
    this.#overflow = this.counter({
      name: 'millrace_label_overflow_total',
      help: 'Label values folded into other because there were too many, and values outside a closed set, which are not counted at all (unlisted).',
      labels: { reason: [...this.#folding] },
    });
  }

  /** Memory, processor time, event loop and garbage collection of this process, under the names of the library. */
  withProcess(): this {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of unsafeOfLibrary) this.#registry.removeSingleMetric(name);
    return this;
  }

  /** A label whose values come from outside; `what` must be among those that the constructor was told. */
  openNames(what: string, most: number, configured: readonly string[] = []): OpenNames {
    if (!this.#folding.has(what)) throw new TypeError(`cannot open names of ${what}: expected one of ${[...this.#folding].join(', ')}`);
    return new OpenNames(what, most, configured, () => this.#overflow.add({ reason: what }));
  }

  counter<const Sets extends LabelSets>(spec: MetricSpec<Sets>): Counter<Sets> {
    if (!spec.name.endsWith('_total')) throw new TypeError(`cannot declare counter ${spec.name}: its name must end in _total`);
    const counter = new PromCounter(this.#options(spec));
    this.#declare('counter', spec, (series) => counter.inc(series, 0));
    return {
      add: (labels, by = 1) => {
        if (this.#isListed(spec, labels)) counter.inc(labels as Series, by);
      },
    };
  }

  gauge<const Sets extends LabelSets>(spec: MetricSpec<Sets>): Gauge<Sets> {
    const gauge = new PromGauge(this.#options(spec));
    const born = (series: Series): void => gauge.set(series, 0);
    this.#declare('gauge', spec, born);
    return {
      set: (labels, value) => {
        if (this.#isListed(spec, labels)) gauge.set(labels as Series, value);
      },
      reset: () => {
        gauge.reset();
        if (spec.fromStart !== false) seriesOf(spec).forEach(born);
      },
    };
  }

  histogram<const Sets extends LabelSets>(spec: MetricSpec<Sets> & { readonly buckets: Buckets }): Histogram<Sets> {
    const histogram = new PromHistogram({ ...this.#options(spec), buckets: [...buckets[spec.buckets]] });
    this.#declare('histogram', spec, (series) => histogram.zero(series), spec.buckets);
    return {
      observe: (labels, value) => {
        if (this.#isListed(spec, labels)) histogram.observe(labels as Series, value);
      },
    };
  }

  /** Prometheus text, and its content type. */
  async exposition(): Promise<{ readonly text: string; readonly contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  /** Declared here, in the order of their declaration; those of the process are the library's and are left out. */
  get described(): readonly MetricDescription[] {
    return this.#described;
  }

  #options<Sets extends LabelSets>({ name, help, labels }: MetricSpec<Sets>) {
    return { name, help, labelNames: Object.keys(labels ?? {}), registers: [this.#registry] };
  }

  #declare<Sets extends LabelSets>(type: MetricType, spec: MetricSpec<Sets>, born: (series: Series) => void, bucketsOf: Buckets | null = null): void {
    const labels: LabelSets = spec.labels ?? {};
    // A histogram writes one line for each bucket, the infinite one among them, and its sum and count.
    const lines = bucketsOf === null ? 1 : buckets[bucketsOf].length + 3;
    this.#described.push({ name: spec.name, type, help: spec.help, labels, buckets: bucketsOf, mostSeries: boundOf(spec) * lines });
    if (spec.fromStart === false) return;
    seriesOf(spec).forEach(born);
    for (const [label, set] of Object.entries(labels)) {
      if (set instanceof OpenNames) set.onNew((name) => seriesOf(spec, { [label]: [name] }).forEach(born));
    }
  }

  /** A number must never end what it counts: a value that is in no set is told by a counter of its own. */
  #isListed<Sets extends LabelSets>({ labels }: MetricSpec<Sets>, values: LabelsOf<Sets>): boolean {
    const listed = Object.entries(labels ?? {}).every(([label, set]) => {
      const value = (values as Series)[label];
      return value !== undefined && valuesOf(set).includes(value);
    });
    if (!listed) this.#overflow.add({ reason: 'unlisted' });
    return listed;
  }
}

const valuesOf = (set: LabelSet): readonly string[] => (set instanceof OpenNames ? set.values : set);

/** Every combination that occurs, with `instead` in place of the sets of some labels. */
function seriesOf<Sets extends LabelSets>({ labels, occurs }: MetricSpec<Sets>, instead: Readonly<Record<string, readonly string[]>> = {}): Series[] {
  let found: Series[] = [{}];
  for (const [label, set] of Object.entries(labels ?? {})) {
    const values = instead[label] ?? valuesOf(set);
    found = found.flatMap((series) => values.map((value) => ({ ...series, [label]: value })));
  }
  return occurs === undefined ? found : found.filter((series) => occurs(series as LabelsOf<Sets>));
}

function boundOf<Sets extends LabelSets>(spec: MetricSpec<Sets>): number {
  const open = Object.entries(spec.labels ?? {}).filter(([, set]) => set instanceof OpenNames) as [string, OpenNames][];
  const others = seriesOf(spec, Object.fromEntries(open.map(([label]) => [label, [otherName]]))).length;
  return open.reduce((product, [, set]) => product * set.bound, others);
}
