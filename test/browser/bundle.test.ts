/** What the first visit costs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureDashboard } from '../../scripts/setup.js';
import { root } from '../e2e/support/workbench.ts';

test('the first route keeps within its budget of JavaScript', () => {
  ensureDashboard();
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/bundle-size.ts')], { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.match(stdout, /first route: \d+\.\d kB of 180 kB/);
});
