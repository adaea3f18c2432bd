import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestPassword, isPassword } from './passwords.ts';

test('a password is known again and another one is not', async () => {
  const digest = await digestPassword('correct horse battery');
  assert.doesNotMatch(JSON.stringify(digest), /correct/);
  assert.equal(await isPassword('correct horse battery', digest), true);
  assert.equal(await isPassword('correct horse batterx', digest), false);
  assert.equal(await isPassword('', digest), false);
  // Composed and decomposed letters are typed alike.
  const umlaut = await digestPassword('gr\u00fcner Papagei 7');
  assert.equal(await isPassword('gru\u0308ner Papagei 7', umlaut), true);
});

test('the same password twice has two digests, and nobody has none', async () => {
  const [one, other] = await Promise.all([digestPassword('correct horse battery'), digestPassword('correct horse battery')]);
  assert.notEqual(one.key, other.key);
  assert.equal(await isPassword('correct horse battery', null), false);
});
