/** What can be known of the manifests without a cluster: that they build, are what Kubernetes accepts, keep our rules, and agree with the code. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ScaledObject, TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { PodMonitor, PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { parsePools, workQueueName } from '@millrace/protocol';
import { parseDocument } from 'yaml';
import { readConfig as readApiConfig } from '../../packages/api/src/config.ts';
import { defaultPrefix } from '../../packages/queues/src/keys.ts';
import { readConfig } from '../../packages/scheduler/src/config.ts';
import { loadWorkerHostConfig } from '../../packages/worker-host/src/config.ts';
import { build, buildWith, installTools, type Manifest, root, run } from './tools.ts';

const overlays = ['dev', 'prod', 'test'] as const;
const components = readdirSync(join(root, 'k8s/components'));
const kubernetesVersions = ['1.30', '1.37'];
const validated: Readonly<Record<string, new (data: never) => { validate(): void }>> = { ScaledObject, TriggerAuthentication, PodMonitor, PrometheusRule };
/** Secrets are made by whoever installs; k8s/README.md says how. */
const secretsOfTheInstaller = [
  'millrace-api',
  'millrace-keda',
  'millrace-redis-users',
  'millrace-scaling-token',
  'millrace-scheduler',
  'millrace-tls',
  'millrace-worker-host',
];

const built = new Map<string, readonly Manifest[]>();
before(() => {
  installTools();
  for (const overlay of overlays) built.set(overlay, build(`k8s/overlays/${overlay}`));
});

const all = (): { overlay: string; manifest: Manifest }[] => [...built].flatMap(([overlay, manifests]) => manifests.map((manifest) => ({ overlay, manifest })));
const ofKind = (overlay: string, kind: string): Manifest[] => (built.get(overlay) ?? []).filter((one) => one.kind === kind);
const workloads = (): { at: string; overlay: string; manifest: Manifest; pod: Manifest }[] =>
  all()
    .filter(({ manifest }) => manifest.kind === 'Deployment' || manifest.kind === 'StatefulSet')
    .map(({ overlay, manifest }) => ({ at: `${overlay} ${manifest.metadata.name}`, overlay, manifest, pod: manifest['spec'].template.spec }));
const hosts = () => workloads().filter(({ manifest }) => manifest.metadata.labels?.['app.kubernetes.io/component'] === 'worker-host');
const gibibytes = (written: string): number => Number(/^(\d+)Gi$/.exec(written)?.[1]);

/** Variables of a container: those of its config maps, then its own. */
function settingsOf(overlay: string, pod: Manifest): Record<string, string> {
  const [container] = pod['containers'];
  const maps = (container.envFrom ?? []).map((from: Manifest) => from['configMapRef'].name as string);
  const data = maps.map(
    (name: string) => ofKind(overlay, 'ConfigMap').find((map) => map.metadata.name === name)?.['data'] ?? assert.fail(`${overlay}: no ${name}`),
  );
  return Object.assign({}, ...data, ...(container.env ?? []).map((one: { name: string }) => ({ [one.name]: 'x' })));
}

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

interface ComposeService {
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly volumes: readonly string[];
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly ports?: readonly string[];
}

describe('the manifests build', () => {
  for (const component of components) {
    it(`${component} on a minimal pool`, () => {
      const under = component === 'autoscaling-keda-redis' ? ['autoscaling-keda'] : [];
      assert.ok(buildWith([...under, component]).length > 10);
    });
  }

  it('no two objects of one overlay have the same kind and name', () => {
    for (const [overlay, manifests] of built) {
      const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      assert.deepEqual(names, [...new Set(names)], overlay);
    }
  });
});

describe('Kubernetes accepts them', () => {
  for (const version of kubernetesVersions) {
    it(`strictly, at ${version}`, () => {
      for (const [overlay, manifests] of built) {
        const file = join(tmpdir(), `millrace-manifests-${process.pid}-${overlay}.json`);
        writeFileSync(file, manifests.map((one) => `---\n${JSON.stringify(one)}\n`).join(''));
        const { ok, output } = run('kubernetes-validate', ['--strict', '-k', version, file]);
        assert.ok(ok, output);
        const unknown = [...output.matchAll(/Couldn't find schema for kind (\w+)/g)].map((match) => match[1] as string);
        assert.deepEqual(
          unknown.filter((kind) => !(kind in validated)),
          [],
          'kinds that nobody looked at',
        );
      }
    });
  }

  it('and its validator refuses a broken one', () => {
    const file = join(tmpdir(), `millrace-manifests-${process.pid}-broken.json`);
    const [good] = ofKind('prod', 'PodDisruptionBudget');
    writeFileSync(file, JSON.stringify({ ...good, spec: { ...good?.['spec'], maxUnavailible: 1 } }));
    assert.equal(run('kubernetes-validate', ['--strict', '-k', '1.30', file]).ok, false);
  });

  it('what KEDA and the operator of Prometheus define is valid by their own schemas, which refuse a broken one', () => {
    const seen = new Set<string>();
    for (const { manifest } of all()) {
      const Model = validated[manifest.kind];
      if (Model === undefined) continue;
      new Model(manifest as never).validate();
      seen.add(manifest.kind);
    }
    for (const manifest of buildWith(['autoscaling-keda', 'autoscaling-keda-redis'])) {
      const Model = validated[manifest.kind];
      if (Model !== undefined) new Model(manifest as never).validate();
    }
    assert.deepEqual([...seen].sort(), Object.keys(validated).sort());
    const [good] = ofKind('prod', 'ScaledObject');
    assert.throws(() => new ScaledObject({ ...good, spec: { ...good?.['spec'], maxReplicaCount: 'many' } } as never).validate());
  });
});

describe('every pod is shut in', () => {
  it('no root, no privilege, a read-only root, no token of the cluster', () => {
    for (const { at, pod } of workloads()) {
      assert.equal(pod['securityContext'].runAsNonRoot, true, at);
      assert.equal(pod['securityContext'].seccompProfile.type, 'RuntimeDefault', at);
      assert.equal(pod['automountServiceAccountToken'], false, at);
      assert.equal(pod['enableServiceLinks'], false, at);
      for (const container of pod['containers']) {
        assert.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }, at);
        assert.doesNotMatch(container.image, /latest$/, at);
        assert.match(container.image, /:.+/, `${at}: an image without tag is the latest one`);
      }
    }
  });

  it('the namespace enforces it, and everything is in that namespace', () => {
    for (const overlay of overlays) {
      const [namespace] = ofKind(overlay, 'Namespace');
      assert.equal(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
    }
    for (const { overlay, manifest } of all()) {
      if (manifest.kind === 'Namespace' || manifest.kind === 'PriorityClass') continue;
      assert.equal(manifest.metadata.namespace, 'millrace', `${overlay} ${manifest.kind} ${manifest.metadata.name}`);
    }
  });

  it('nothing in or out but what a policy names, to ports that exist', () => {
    for (const overlay of overlays) {
      const policies = ofKind(overlay, 'NetworkPolicy');
      const deny = policies.find(({ metadata }) => metadata.name === 'default-deny');
      assert.deepEqual(deny?.['spec'], { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
      const ports = new Set(
        workloads().flatMap(({ pod }) => pod['containers'].flatMap((one: Manifest) => one['ports'].map((port: Manifest) => port['containerPort']))),
      );
      for (const policy of policies)
        for (const rule of policy['spec'].ingress ?? [])
          for (const { port } of rule.ports) assert.ok(ports.has(port), `${overlay} ${policy.metadata.name}: nothing listens on ${port}`);
    }
  });

  it('memory is asked for and limited alike; processor time is never limited', () => {
    for (const { at, pod } of workloads())
      for (const { resources } of pod['containers']) {
        assert.equal(resources.requests.memory, resources.limits.memory, at);
        assert.equal(resources.limits.cpu, undefined, at);
      }
  });

  it('settings hold no secret', () => {
    for (const { overlay, manifest } of all())
      if (manifest.kind === 'ConfigMap')
        for (const [name, value] of Object.entries(manifest['data'] as Record<string, string>)) {
          assert.ok(!/PASSWORD$|KEY$|TOKEN$/.test(name), `${overlay} ${name}`);
          assert.doesNotMatch(value, /:\/\/[^/\s]*:[^/\s]*@/, `${overlay} ${name}`);
        }
  });
});

describe('names lead somewhere', () => {
  it('config maps, secrets, service accounts, priority classes, scale targets, authentication', () => {
    for (const { at, overlay, pod } of workloads()) {
      const names = (kind: string): string[] => ofKind(overlay, kind).map(({ metadata }) => metadata.name);
      for (const volume of pod['volumes'] ?? []) {
        if (volume.configMap !== undefined) assert.ok(names('ConfigMap').includes(volume.configMap.name), `${at} ${volume.name}`);
        if (volume.secret !== undefined) assert.ok(secretsOfTheInstaller.includes(volume.secret.secretName), `${at} ${volume.name}`);
      }
      settingsOf(overlay, pod);
      if (pod['serviceAccountName'] !== undefined) assert.ok(names('ServiceAccount').includes(pod['serviceAccountName']), at);
      assert.ok(names('PriorityClass').includes(pod['priorityClassName']), at);
    }
    for (const { overlay, manifest } of all()) {
      if (manifest.kind !== 'ScaledObject') continue;
      assert.ok(
        ofKind(overlay, 'Deployment').some(({ metadata }) => metadata.name === manifest['spec'].scaleTargetRef.name),
        overlay,
      );
      for (const { authenticationRef } of manifest['spec'].triggers)
        assert.ok(
          ofKind(overlay, 'TriggerAuthentication').some(({ metadata }) => metadata.name === authenticationRef.name),
          overlay,
        );
    }
    const readme = readFileSync(join(root, 'k8s/README.md'), 'utf8');
    for (const name of secretsOfTheInstaller) assert.ok(readme.includes(name), `k8s/README.md does not say how to make ${name}`);
  });

  it('no place for a pool is left open, and pool, label, suffix, URL and bounds agree', () => {
    for (const [overlay, manifests] of built) assert.doesNotMatch(JSON.stringify(manifests), /[:=]"?POOL"/, overlay);
    for (const { at, overlay, manifest, pod } of hosts()) {
      const { MILLRACE_POOL: pool } = settingsOf(overlay, pod);
      assert.equal(manifest.metadata.labels?.['millrace.dev/pool'], pool, at);
      assert.equal(manifest.metadata.name, `worker-host-${pool}`, at);
      const scaler = ofKind(overlay, 'ScaledObject').find(({ metadata }) => metadata.name === manifest.metadata.name);
      if (scaler === undefined) continue;
      assert.equal(manifest['spec'].replicas, undefined, `${at}: the replicas are the autoscaler's`);
      assert.match(scaler['spec'].triggers[0].metadata.url, new RegExp(`pool=${pool}$`), at);
      assert.ok(scaler['spec'].minReplicaCount <= scaler['spec'].maxReplicaCount, at);
    }
  });

  it('lists of Redis are spelled as the code spells them', () => {
    const scaler = buildWith(['autoscaling-keda', 'autoscaling-keda-redis']).find(({ kind }) => kind === 'ScaledObject');
    const lists = scaler?.['spec'].triggers.map((trigger: Manifest) => trigger.metadata['listName' as never]);
    const queue = `${defaultPrefix}:${workQueueName('chunk', 'default', 1)}`;
    assert.deepEqual(lists, [`${queue}:wait`, `${queue}:active`]);
  });
});

describe('the numbers hold together', () => {
  it('what the scheduler tells autoscalers keeps to their bounds, and counts slots as the hosts have them', () => {
    for (const { at, overlay, manifest, pod } of hosts()) {
      const { MILLRACE_POOL: pool, MILLRACE_SLOTS: slots } = settingsOf(overlay, pod);
      const [scheduler] = ofKind(overlay, 'Deployment').filter(({ metadata }) => metadata.name === 'scheduler');
      const settings = settingsOf(overlay, scheduler?.['spec'].template.spec);
      assert.equal(settings['MILLRACE_HTTP_PORT'], '8080', at);
      const map = ofKind(overlay, 'ConfigMap').find(({ metadata }) => metadata.name.startsWith('pools-'));
      const file = settings['MILLRACE_POOLS']?.split('/').at(-1) ?? '';
      const entry = parsePools(map?.['data'][file] ?? '').find((one) => one.pool === pool);
      assert.equal(entry?.slotsPerPod, Number(slots), at);
      const scaler = ofKind(overlay, 'ScaledObject').find(({ metadata }) => metadata.name === manifest.metadata.name);
      if (scaler === undefined) continue;
      assert.deepEqual([entry?.minPods, entry?.maxPods], [scaler['spec'].minReplicaCount, scaler['spec'].maxReplicaCount], at);
    }
  });

  it('a drain fits into the grace period, which the host is told', () => {
    for (const { at, overlay, pod } of hosts()) {
      const settings = settingsOf(overlay, pod);
      assert.equal(Number(settings['MILLRACE_TERMINATION_GRACE_MS']), pod['terminationGracePeriodSeconds'] * 1_000, at);
    }
  });

  it('the cores fit into the memory, and what they spill into the volume', () => {
    const [coreGib, hostGib] = [1, 0.5];
    for (const { at, overlay, pod } of hosts()) {
      const slots = Number(settingsOf(overlay, pod)['MILLRACE_SLOTS']);
      const [{ resources }] = pod['containers'];
      const [scratch] = pod['volumes'].filter((volume: Manifest) => volume['emptyDir'] !== undefined);
      assert.ok(hostGib + slots * coreGib * 1.5 <= gibibytes(resources.limits.memory), at);
      assert.ok(slots * coreGib <= 0.9 * gibibytes(scratch.emptyDir.sizeLimit), at);
      assert.ok(gibibytes(scratch.emptyDir.sizeLimit) < gibibytes(resources.limits['ephemeral-storage']), at);
      assert.equal(scratch.emptyDir.medium, undefined, at);
      assert.equal(Number(resources.requests.cpu), slots, `${at}: a core has one thread that computes`);
    }
  });

  it('probes ask over HTTP, and liveness gives up later than a lease lasts', () => {
    for (const { at, pod } of workloads())
      for (const container of pod['containers']) {
        if (container.name === 'redis') continue;
        assert.deepEqual(
          ['startupProbe', 'readinessProbe', 'livenessProbe'].map((probe) => container[probe].httpGet.path),
          ['/startupz', '/readyz', '/healthz'],
          at,
        );
        assert.ok(container.livenessProbe.periodSeconds * container.livenessProbe.failureThreshold > 60, at);
      }
  });

  it('budgets allow one pod to go and count those that may', () => {
    for (const { overlay, manifest } of all()) {
      if (manifest.kind !== 'PodDisruptionBudget') continue;
      assert.notEqual(manifest['spec'].maxUnavailable, 0, overlay);
      assert.equal(manifest['spec'].minAvailable, undefined, overlay);
      assert.equal(manifest['spec'].unhealthyPodEvictionPolicy, 'AlwaysAllow', overlay);
    }
  });

  it('Redis keeps what waits: noeviction, an append-only file, no default user', () => {
    const [redis] = ofKind('test', 'StatefulSet');
    const command = redis?.['spec'].template.spec.containers[0].command.join(' ');
    assert.match(command, /--maxmemory-policy noeviction/);
    assert.match(command, /--appendonly yes/);
    const users = readFileSync(join(root, 'k8s/components/redis/users.acl'), 'utf8');
    assert.match(users, /^user default off$/m);
    for (const role of ['scheduler', 'worker', 'api']) assert.match(users, new RegExp(`^user ${role} on #\\S+ ~millrace:\\*.* -@dangerous -@admin`, 'm'));
  });
});

describe('the services take their settings', () => {
  const secrets = join(tmpdir(), `millrace-manifests-${process.pid}-task-key`);
  const readers: Readonly<Record<string, (env: Record<string, string>) => unknown>> = {
    scheduler: readConfig,
    'worker-host': loadWorkerHostConfig,
    api: readApiConfig,
  };

  for (const [role, read] of Object.entries(readers)) {
    it(role, () => {
      writeFileSync(secrets, `k1:${'0'.repeat(64)}\n`);
      const found = workloads().filter(({ manifest }) => manifest.metadata.labels?.['app.kubernetes.io/component'] === role);
      assert.equal(found.length, overlays.length);
      for (const { overlay, pod } of found) {
        const { MILLRACE_TASK_KEY_FILE: file, ...settings } = settingsOf(overlay, pod);
        // The api signs no tasks and must not be able to.
        assert.equal(file, role === 'api' ? undefined : '/etc/millrace/secrets/task-key');
        read(role === 'api' ? settings : { ...settings, MILLRACE_TASK_KEY_FILE: secrets });
        if (role === 'api') assert.equal(settings['MILLRACE_HTTP_HOST'], '0.0.0.0');
      }
    });
  }
});

describe('compose.yaml', () => {
  const text = readFileSync(join(root, 'compose.yaml'), 'utf8');

  // Compose refuses a file whose YAML is merely read by somebody lenient.
  it('is YAML without a fault, and a service names nothing that is not there', () => {
    const document = parseDocument(text, { merge: true });
    assert.deepEqual([...document.errors, ...document.warnings].map(String), []);
    const { services, volumes } = document.toJS() as ComposeFile;
    assert.deepEqual(Object.keys(services).sort(), ['api', 'redis', 'scheduler', 'worker-host']);
    for (const [name, service] of Object.entries(services)) {
      for (const needed of Object.keys(service.depends_on ?? {})) assert.ok(needed in services, `${name} needs ${needed}`);
      for (const volume of service.volumes) assert.ok(/^[./]/.test(volume) || (volume.split(':')[0] ?? '') in volumes, `${name}: ${volume}`);
    }
  });

  it('shuts every service in, and opens ports to this computer alone', () => {
    const { services } = parseDocument(text, { merge: true }).toJS() as ComposeFile;
    for (const [name, service] of Object.entries(services)) {
      assert.deepEqual([service.read_only, service.cap_drop], [true, ['ALL']], name);
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
    }
  });
});

describe('the image', () => {
  it('is built as hadolint would', () => {
    // Debian keeps one version of a package at a time: a pinned one cannot be installed a month later.
    const { ok, output } = run('hadolint', ['--ignore', 'DL3008', 'Dockerfile']);
    assert.ok(ok, output);
  });

  it('copies into the stage of the packages what their builds extend, and the build context lets it through', () => {
    const copied = /^COPY (package\.json .*) \.\/$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1]?.split(' ') ?? [];
    const shown = new Set(readFileSync(join(root, '.dockerignore'), 'utf8').split('\n'));
    const extended = readdirSync(join(root, 'packages')).flatMap((name) => {
      const file = join(root, 'packages', name, 'tsconfig.json');
      const from = existsSync(file) ? /"extends": "\.\.\/\.\.\/([^"]+)"/.exec(readFileSync(file, 'utf8'))?.[1] : undefined;
      return from === undefined ? [] : [from];
    });
    assert.ok(extended.length > 0, 'no package extends any settings');
    for (const file of new Set(extended)) assert.ok(copied.includes(file), `the Dockerfile does not copy ${file}`);
    for (const file of copied) assert.ok(shown.has(`!${file}`), `.dockerignore hides ${file}`);
  });

  it('runs what the manifests ask for, as nobody, under an init', () => {
    const text = readFileSync(join(root, 'Dockerfile'), 'utf8');
    assert.match(text, /^ENTRYPOINT \["\/usr\/bin\/tini", "--", "node", "\/app\/container\/start-role\.js"\]$/m);
    assert.match(text, /^USER 65532:65532$/m);
    const roles = readFileSync(join(root, 'container/start-role.js'), 'utf8');
    for (const { pod } of workloads()) for (const { name, args } of pod['containers']) if (name !== 'redis') assert.ok(roles.includes(`'${args[0]}'`), args[0]);
  });
});
