/**
 * The alert rules, tried on series that must raise them, on series that must not, and on none: with promtool where it is installed (Debian: `prometheus`).
 * Without it the rules are only held against the metrics that the code declares and the pages that they name.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { OpenNames } from '../packages/service-kit/src/index.ts';
import { declaredMetrics } from './generate-telemetry.ts';
import { root } from './setup.js';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const { spec } = parse(readFileSync(join(root, 'k8s/components/monitoring/alerts.yaml'), 'utf8')) as { spec: { groups: { name: string; rules: Rule[] }[] } };
const rules = spec.groups.flatMap((group) => group.rules);

/** Series in promtool's notation: values a minute apart, `a+bxn` rising, `axn` standing still. */
type Series = Readonly<Record<string, string>>;
interface Trial {
  readonly raised: Series;
  /** Labels of the alert besides the severity. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly quiet: Series;
  /** When it is looked; every rule must have made up its mind by then. */
  readonly at?: string;
  /** Takes a day: looked at every half hour only. */
  readonly isLong?: boolean;
}

const oldest = 'millrace_queue_oldest_enqueued_timestamp_seconds';
const chunkQueue = '{queue="chunk", pool="a"}';
const attempts = (outcome: string): string => `millrace_attempts_total{task_kind="map", outcome="${outcome}"}`;
const counterTrial = (series: string, labels: Readonly<Record<string, string>> = {}, by = 1): Trial => ({
  raised: { [series]: `0x10 ${by}x20` },
  labels,
  quiet: { [series]: '7x40' },
  at: '14m',
});

const trials: Readonly<Record<string, Trial>> = {
  MillraceSubmitsWaiting: {
    raised: { [`${oldest}{queue="intake"}`]: '60x40' },
    quiet: { [`${oldest}{queue="intake"}`]: '0x40', [`${oldest}{queue="chunk"}`]: '60x40' },
  },
  MillraceBacklogOld: {
    raised: { [`${oldest}${chunkQueue}`]: '60x40', [`${oldest}{queue="intake", pool="a"}`]: '60x40' },
    labels: { queue: 'chunk', pool: 'a' },
    // A leader's look and a follower's zero.
    quiet: { [`${oldest}{queue="chunk", pool="a", pod="1"}`]: '1700x40', [`${oldest}{queue="chunk", pool="a", pod="2"}`]: '0x40' },
  },
  MillraceNothingConsumes: {
    raised: {
      'millrace_queue_tasks{queue="chunk", pool="a", state="waiting"}': '3x40',
      [`millrace_queue_consumers${chunkQueue}`]: '0x40',
      [`millrace_queue_paused${chunkQueue}`]: '0x40',
    },
    labels: { queue: 'chunk', pool: 'a' },
    quiet: {
      'millrace_queue_tasks{queue="chunk", pool="a", state="waiting"}': '3x40',
      [`millrace_queue_consumers${chunkQueue}`]: '0x40',
      [`millrace_queue_paused${chunkQueue}`]: '1x40',
    },
  },
  MillraceNoProgress: {
    raised: { 'millrace_chunks{state="running"}': '4x40', [attempts('committed')]: '9x40' },
    quiet: { 'millrace_chunks{state="running"}': '4x40', [attempts('committed')]: '0+1x40' },
  },
  MillraceWorkUnowned: { raised: { millrace_unowned_oldest_timestamp_seconds: '60x40' }, quiet: { millrace_unowned_oldest_timestamp_seconds: '0x40' } },
  MillraceHostsMissing: {
    raised: { 'millrace_scaling_pods_wanted{pool="a"}': '5x40', 'millrace_scaling_pods_ready{pool="a"}': '3x40' },
    labels: { pool: 'a' },
    quiet: { 'millrace_scaling_pods_wanted{pool="a"}': '5x40', 'millrace_scaling_pods_ready{pool="a"}': '3x10 5x30' },
  },
  MillraceNoHostForVersion: { raised: { millrace_scaling_chunks_without_host: '2x40' }, quiet: { millrace_scaling_chunks_without_host: '0x40' } },
  MillraceSchedulerStalled: {
    raised: { 'millrace_loop_last_success_timestamp_seconds{loop="dispatch"}': '60x40' },
    labels: { loop: 'dispatch' },
    quiet: {
      'millrace_loop_last_success_timestamp_seconds{loop="dispatch", pod="1"}': '0+60x40',
      'millrace_loop_last_success_timestamp_seconds{loop="dispatch", pod="2"}': '0x40',
    },
  },
  MillraceNoLeader: {
    raised: { 'millrace_scheduler_leader{pod="1"}': '0x40' },
    quiet: { 'millrace_scheduler_leader{pod="1"}': '0x40', 'millrace_scheduler_leader{pod="2"}': '1x40' },
  },
  MillraceRedisMemoryHigh: {
    raised: { millrace_redis_memory_used_bytes: '80x40', millrace_redis_memory_limit_bytes: '100x40' },
    // Without a limit there is no share of it.
    quiet: { millrace_redis_memory_used_bytes: '80x40', millrace_redis_memory_limit_bytes: '0x40' },
  },
  MillraceLedgerRebuilding: { raised: { millrace_ledger_rebuilding: '1x40' }, quiet: { millrace_ledger_rebuilding: '1x4 0x36' } },
  MillraceCircuitOpen: {
    raised: { 'millrace_circuit_open{dependency="store"}': '1x40' },
    labels: { dependency: 'store' },
    quiet: { 'millrace_circuit_open{dependency="store"}': '1x9 0x31' },
  },
  MillraceScheduleMissed: counterTrial('millrace_schedule_fires_total{result="missed"}'),
  MillraceCallbackLost: counterTrial('millrace_callback_deliveries_total{result="gave_up"}'),
  MillraceBalanceBroken: counterTrial('millrace_balance_failures_total'),
  MillraceTaskForged: counterTrial('millrace_tasks_refused_total{reason="signature"}'),
  MillraceAuditFailing: counterTrial('millrace_audit_failures_total'),
  MillraceSandboxWeak: {
    raised: { 'millrace_core_sandbox{pod="h", state="none"}': '2x40' },
    labels: { pod: 'h', state: 'none' },
    quiet: { 'millrace_core_sandbox{pod="h", state="none"}': '0x40', 'millrace_core_sandbox{pod="h", state="full"}': '2x40' },
  },
  MillraceJobFailed: counterTrial('millrace_jobs_finished_total{job_name="orders", state="failed"}', { job_name: 'orders' }),
  MillraceAttemptsFailing: {
    raised: { [attempts('failed')]: '0+1x40', [attempts('committed')]: '0+9x40' },
    labels: { task_kind: 'map' },
    // As many in relation, but of too few to say anything.
    quiet: { [attempts('failed')]: '0x10 1x30', [attempts('committed')]: '0x10 9x30' },
  },
  MillraceDeadLettersNew: counterTrial('millrace_dead_letters_total{class="input", code="INPUT_CORRUPT"}', { class: 'input' }),
  MillraceDeadLetterOld: {
    raised: { millrace_dead_letter_oldest_timestamp_seconds: '60x1700' },
    quiet: { millrace_dead_letter_oldest_timestamp_seconds: '60x1441 90000x250' },
    at: '1560m',
    isLong: true,
  },
  MillraceErrorRegressed: { raised: { 'millrace_error_groups{state="regressed"}': '1x40' }, quiet: { 'millrace_error_groups{state="open"}': '4x40' } },
  MillraceRejectBurst: {
    raised: { 'millrace_records_total{job_name="orders", fate="rejected"}': '0+5x40', 'millrace_records_total{job_name="orders", fate="emitted"}': '0+95x40' },
    labels: { job_name: 'orders' },
    quiet: { 'millrace_records_total{job_name="orders", fate="rejected"}': '0+1x40', 'millrace_records_total{job_name="orders", fate="emitted"}': '0+999x40' },
  },
  MillraceCoreCrashLoop: counterTrial('millrace_core_starts_total{pod="h", reason="crash"}', { pod: 'h' }, 5),
  MillraceLeasesFailing: counterTrial('millrace_lease_fences_total', {}, 5),
  MillraceDrainCutShort: counterTrial('millrace_drains_total{result="killed"}'),
};

/** With nothing to see there is nothing to say, but for the one that says so. */
const raisedByNothing = ['MillraceNoLeader'];

const promtool = spawnSync('promtool', ['--version'], { encoding: 'utf8' });
const withoutPromtool = promtool.error === undefined ? false : 'promtool is not installed; on Debian it comes with the package prometheus';

describe('alert rules', () => {
  it('name metrics and label values that the code declares', () => {
    const declared = new Map([...declaredMetrics().values()].flatMap(({ metrics }) => metrics.described.map((one) => [one.name, one] as const)));
    for (const { alert, expr } of rules) {
      for (const [, name = '', selector = ''] of expr.matchAll(/\b(millrace_\w+)(?:\{([^}]*)\})?/g)) {
        const metric = declared.get(name);
        assert.ok(metric !== undefined, `${alert}: no metric ${name}`);
        for (const [, label = '', operator = '', value = ''] of selector.matchAll(/(\w+)(=~|!=|=)"([^"]*)"/g)) {
          const set = metric.labels[label];
          assert.ok(set !== undefined, `${alert}: ${name} has no label ${label}`);
          const values = operator === '=~' ? value.split('|') : [value];
          if (!(set instanceof OpenNames)) for (const one of values) assert.ok(set.includes(one), `${alert}: ${label} of ${name} is never ${one}`);
        }
      }
    }
  });

  it('each has a severity, a summary and its lines in docs/runbooks.md, which has no others', () => {
    const sections = [...readFileSync(join(root, 'docs/runbooks.md'), 'utf8').matchAll(/^### (Millrace\w+)$/gm)].map(([, name]) => name as string);
    assert.deepEqual(sections.toSorted(), rules.map(({ alert }) => alert).toSorted());
    for (const { alert, labels, annotations } of rules) {
      assert.ok(['page', 'warn', 'ticket'].includes(labels['severity'] ?? ''), alert);
      assert.ok((annotations['summary'] ?? '').length > 10, alert);
      assert.equal(annotations['runbook_url'], `docs/runbooks.md#${alert.toLowerCase()}`);
    }
  });

  it('each is tried', () => assert.deepEqual(Object.keys(trials).toSorted(), rules.map(({ alert }) => alert).toSorted()));

  it('are raised by what they are for, and by nothing else', { skip: withoutPromtool }, (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-alerts-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    // JSON is YAML, and needs no second writer.
    const write = (name: string, content: object): void => writeFileSync(join(directory, name), JSON.stringify({ rule_files: ['rules.yaml'], ...content }));
    writeFileSync(join(directory, 'rules.yaml'), JSON.stringify({ groups: spec.groups }));
    const [brief, long] = [Object.entries(trials).filter(([, { isLong }]) => !isLong), Object.entries(trials).filter(([, { isLong }]) => isLong)];
    const tests = [...brief.flatMap(([alert, trial]) => testsOf(alert, trial)), ...rules.map(({ alert }) => testWithout(alert))];
    write('tests.yaml', { evaluation_interval: '1m', tests });
    write('long.yaml', { evaluation_interval: '30m', tests: long.flatMap(([alert, trial]) => testsOf(alert, trial)) });
    const checked = spawnSync('promtool', ['check', 'rules', 'rules.yaml'], { cwd: directory, encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stderr);
    const tried = spawnSync('promtool', ['test', 'rules', 'tests.yaml', 'long.yaml'], { cwd: directory, encoding: 'utf8' });
    assert.equal(tried.status, 0, `${tried.stdout}${tried.stderr}`);
  });
});

const ruleOf = (alert: string): Rule => rules.find((rule) => rule.alert === alert) ?? assert.fail(`no rule ${alert}`);

function testsOf(alert: string, { raised, quiet, labels = {}, at = '30m' }: Trial) {
  const rule = ruleOf(alert);
  const filled = (text: string): string => text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '');
  const expected = {
    exp_labels: { ...rule.labels, ...labels },
    exp_annotations: Object.fromEntries(Object.entries(rule.annotations).map(([name, text]) => [name, filled(text)])),
  };
  return [
    promtoolTest(`${alert} raised`, raised, { alertname: alert, eval_time: at, exp_alerts: [expected] }),
    promtoolTest(`${alert} quiet`, quiet, { alertname: alert, eval_time: at, exp_alerts: [] }),
  ];
}

function testWithout(alert: string) {
  const { labels, annotations } = ruleOf(alert);
  const expected = raisedByNothing.includes(alert) ? [{ exp_labels: labels, exp_annotations: annotations }] : [];
  return promtoolTest(`${alert} without series`, {}, { alertname: alert, eval_time: '30m', exp_alerts: expected });
}

function promtoolTest(name: string, series: Series, alert: object) {
  const input = Object.entries(series).map(([one, values]) => ({ series: one, values }));
  return { name, interval: '1m', input_series: input, alert_rule_test: [alert] };
}
