/** The page of settings is the one that the schemas give, and says what a person needs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { describeSettings } from '../packages/service-kit/src/index.ts';
import { pagePath, services, writtenPage } from './generate-configuration.ts';

describe('docs/configuration.md', () => {
  it('is what the schemas of the services say', () => {
    assert.ok(readFileSync(pagePath, 'utf8') === writtenPage(), 'the page is not what the schemas say: npm run generate writes it');
  });

  for (const [service, { shape, files }] of Object.entries(services)) {
    it(`tells of each setting of the ${service} what it takes and what it is`, () => {
      const settings = describeSettings(shape);
      assert.equal(settings.length, Object.keys(shape).length);
      for (const { name, help, isRequired, standard } of settings) {
        assert.ok(help.length >= 10, `${name}: ${help}`);
        assert.ok(!isRequired || standard === null, `${name} is required and has a default`);
      }
      for (const name of files) assert.ok(name in shape, `${name}_FILE stands for a setting`);
    });
  }
});
