import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ApiProblem } from './problem.ts';
import { checkHost, checkSameSite, checkSignInPage, cookieIn, cookieRule, dashboardPolicy, type Site } from './security.ts';

const laptop: Site = { origin: null, isLoopback: true };
const behindProxy: Site = { origin: 'https://millrace.example.com', isLoopback: false };
const json = ['application/json'];
const throwsCode = (code: string, act: () => void): void => {
  assert.throws(act, (error) => error instanceof ApiProblem && error.code === code);
};

describe('the Host header', () => {
  const table: readonly (readonly [Site, string | undefined, boolean])[] = [
    [laptop, 'localhost:8080', true],
    [laptop, '127.0.0.1', true],
    [laptop, '[::1]:8080', true],
    [laptop, 'evil.example.com', false],
    [laptop, 'localhost.evil.example.com', false],
    [laptop, '127.0.0.1.evil.example.com', false],
    [laptop, 'localhost:8080@evil.example.com', false],
    [laptop, undefined, false],
    [laptop, '', false],
    [behindProxy, 'millrace.example.com', true],
    [behindProxy, 'MILLRACE.example.com:443', true],
    [behindProxy, 'localhost', false],
    [behindProxy, 'other.example.com', false],
    [{ origin: null, isLoopback: false }, 'anything', true],
  ];
  for (const [site, host, served] of table) {
    test(`${host ?? 'none'} is ${served ? 'served' : 'refused'} ${site.origin ?? (site.isLoopback ? 'on a laptop' : 'without an address of its own')}`, () => {
      if (served) checkHost(site, host);
      else throwsCode('AUTH_FORBIDDEN', () => checkHost(site, host));
    });
  }
});

describe('a request with a cookie', () => {
  const own = { method: 'POST', host: 'localhost:8080', origin: undefined, fetchSite: 'same-origin', contentType: 'application/json; charset=utf-8' };
  const refused = (changes: object, site = laptop): void => throwsCode('AUTH_CSRF', () => checkSameSite(site, { ...own, ...changes }, json));

  test('of the own page goes through', () => {
    checkSameSite(laptop, own, json);
    checkSameSite(laptop, { ...own, fetchSite: undefined, origin: 'http://localhost:8080' }, json);
    checkSameSite(behindProxy, { ...own, fetchSite: undefined, origin: 'https://millrace.example.com' }, json);
    checkSameSite(laptop, { ...own, method: 'GET', fetchSite: 'cross-site', contentType: undefined }, json);
  });
  test('of another page is refused', () => {
    for (const fetchSite of ['cross-site', 'same-site', 'none', 'SAME-ORIGIN', '']) refused({ fetchSite });
    // Whatever the origin says: the browser's own word counts where there is one.
    refused({ fetchSite: 'cross-site', origin: 'http://localhost:8080' });
    for (const origin of [undefined, 'null', 'https://localhost:8080', 'http://localhost', 'http://evil.example.com'])
      refused({ fetchSite: undefined, origin });
    refused({ fetchSite: undefined, origin: 'http://millrace.example.com' }, behindProxy);
  });
  test('of a type that a form can send is refused', () => {
    for (const contentType of [undefined, '', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonx'])
      refused({ contentType });
  });
});

test('a sign-in that another page makes is refused, one of a program is not', () => {
  checkSignInPage(laptop, { fetchSite: undefined, origin: undefined, host: 'localhost' });
  checkSignInPage(laptop, { fetchSite: 'same-origin', origin: 'http://localhost', host: 'localhost' });
  throwsCode('AUTH_CSRF', () => checkSignInPage(laptop, { fetchSite: 'cross-site', origin: undefined, host: 'localhost' }));
  throwsCode('AUTH_CSRF', () => checkSignInPage(laptop, { fetchSite: undefined, origin: 'http://evil.example.com', host: 'localhost' }));
});

test('the cookie is bound to its host, and only a laptop may do without https', () => {
  assert.deepEqual(cookieRule(behindProxy), { name: '__Host-millrace', attributes: 'Path=/; Secure; HttpOnly; SameSite=Strict' });
  assert.deepEqual(cookieRule({ origin: null, isLoopback: false }).name, '__Host-millrace');
  assert.deepEqual(cookieRule(laptop), { name: 'millrace', attributes: 'Path=/; HttpOnly; SameSite=Strict' });
  // In a container that publishes its port on this computer alone.
  assert.equal(cookieRule({ origin: 'http://localhost:7300', isLoopback: false }).name, 'millrace');
  assert.equal(cookieRule({ origin: 'http://millrace.example.com', isLoopback: false }).name, '__Host-millrace');
  assert.equal(cookieRule({ origin: 'https://localhost', isLoopback: true }).name, '__Host-millrace');
  const secret = 'x'.repeat(43);
  assert.equal(cookieIn(`a=b; millrace=${secret}; c=d`, 'millrace'), secret);
  // Of two of that name one was planted.
  assert.equal(cookieIn(`millrace=${secret}; millrace=${'y'.repeat(43)}`, 'millrace'), undefined);
  assert.equal(cookieIn('millrace=short', 'millrace'), undefined);
  assert.equal(cookieIn(undefined, 'millrace'), undefined);
});

test('the dashboard may run its own files alone', () => {
  assert.match(dashboardPolicy(null), /^default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.match(dashboardPolicy('abc'), /style-src 'self' 'nonce-abc';/);
  assert.doesNotMatch(dashboardPolicy('abc'), /unsafe|\*|https?:/);
});
