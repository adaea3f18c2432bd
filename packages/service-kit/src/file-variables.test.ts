import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from './config.ts';
import { withFileVariables } from './file-variables.ts';

const files: Readonly<Record<string, string>> = { '/run/key': 'k1:00ff\n', '/run/empty': '\n' };
const read = (path: string): string => {
  const text = files[path];
  if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  return text;
};
const names = ['MILLRACE_TASK_KEY'];
const refused = (env: Record<string, string>, message: RegExp): void => {
  assert.throws(
    () => withFileVariables(env, names, read),
    (error) => error instanceof ConfigError && message.test(error.message) && !error.message.includes('00ff'),
  );
};

describe('variables that lie in files', () => {
  it('a file stands for the variable, without its line end', () => {
    assert.deepEqual(withFileVariables({ MILLRACE_TASK_KEY_FILE: '/run/key', OTHER: 'x' }, names, read), { MILLRACE_TASK_KEY: 'k1:00ff', OTHER: 'x' });
  });

  it('a variable without file stays as it is', () => {
    assert.deepEqual(withFileVariables({ MILLRACE_TASK_KEY: 'a' }, names, read), { MILLRACE_TASK_KEY: 'a' });
  });

  it('both at once, a missing file and an empty one are refused by name, never by content', () => {
    refused({ MILLRACE_TASK_KEY: 'k1:00ff', MILLRACE_TASK_KEY_FILE: '/run/key' }, /MILLRACE_TASK_KEY and MILLRACE_TASK_KEY_FILE are both given/);
    refused({ MILLRACE_TASK_KEY_FILE: '/run/none' }, /MILLRACE_TASK_KEY_FILE: cannot read "\/run\/none": ENOENT/);
    refused({ MILLRACE_TASK_KEY_FILE: '/run/empty' }, /"\/run\/empty" is empty/);
  });
});
