import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deniedHost, UrlDeniedError, vetUrl } from './guard-url.ts';

const to =
  (...addresses: string[]) =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

test('only hosts of the list are called, at the ports that it names', () => {
  const allow = ['hooks.example.com', 'intern.example.com:8443', '127.0.0.1:8080', '[::1]:8080'];
  for (const url of [
    'https://hooks.example.com/a',
    'https://HOOKS.example.com:443/',
    'https://intern.example.com:8443/',
    'http://127.0.0.1:8080/x',
    'http://[::1]:8080/',
  ]) {
    assert.equal(deniedHost(url, allow), null, url);
  }
  for (const url of [
    'http://hooks.example.com/',
    'https://hooks.example.com:8443/',
    'https://evil.example.com/',
    'https://hooks.example.com.evil.com/',
    'https://127.0.0.1/',
    'https://user:pass@hooks.example.com/',
    'http://2130706433:8081/',
  ]) {
    assert.notEqual(deniedHost(url, allow), null, url);
  }
  // Other spellings of an address are that address.
  assert.equal(deniedHost('http://2130706433:8080/', allow), null);
  assert.equal(deniedHost('http://0x7f.1:8080/', allow), null);
});

test('a listed name that leads to an address that is not public is refused', async () => {
  const url = 'https://hooks.example.com/';
  const allow = ['hooks.example.com'];
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.20.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '224.0.0.1',
  ]) {
    await assert.rejects(vetUrl(url, allow, to(address)), UrlDeniedError, address);
  }
  await assert.rejects(vetUrl(url, allow, to('93.184.216.34', '10.0.0.1')), UrlDeniedError, 'one bad address is enough');
  await assert.rejects(vetUrl(url, allow, to()), /leads nowhere/);
  assert.deepEqual((await vetUrl(url, allow, to('93.184.216.34'))).address, '93.184.216.34');
  assert.equal((await vetUrl(url, allow, to('2606:2800:220:1:248:1893:25c8:1946'))).family, 6);
});

test('an address that the list names is meant, but never a metadata service', async () => {
  assert.equal((await vetUrl('http://127.0.0.1:8080/', ['127.0.0.1:8080'])).address, '127.0.0.1');
  await assert.rejects(vetUrl('http://169.254.169.254:80/latest', ['169.254.169.254:80']), /metadata/);
});
