import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { afterFailures, afterSuccesses, type Circuit, circuitAt, circuitTimes, closedCircuit, roomOf, storeIn, withProbe } from './circuit.ts';

const times = circuitTimes(1);

function open(nowMs = 0): Circuit {
  const circuit = afterFailures(closedCircuit, 5, nowMs, times);
  assert.equal(circuit.state, 'open');
  return circuit;
}

describe('a circuit', () => {
  test('opens by five failures that are as many as the successes', () => {
    const four = afterFailures(closedCircuit, 4, 0, times);
    assert.deepEqual([four.state, roomOf(four)], ['closed', Number.POSITIVE_INFINITY]);
    assert.equal(afterFailures(four, 1, 10, times).state, 'open');
    const busy = afterSuccesses(four, 100, 10, times);
    assert.equal(afterFailures(busy, 1, 20, times).state, 'closed', 'one in twenty is no outage');
  });

  test('forgets failures that lie behind', () => {
    const four = afterFailures(closedCircuit, 4, 0, times);
    assert.equal(afterFailures(four, 4, times.windowMs + 1, times).state, 'closed');
  });

  test('lets one probe through after its time, and none before', () => {
    const opened = open();
    assert.equal(roomOf(circuitAt(opened, times.openMs - 1, times)), 0);
    const half = circuitAt(opened, times.openMs, times);
    assert.equal(roomOf(half), 1);
    assert.equal(roomOf(withProbe(half, times.openMs)), 0);
  });

  test('closes by the success of the probe alone', () => {
    const half = circuitAt(open(), times.openMs, times);
    assert.equal(afterSuccesses(half, 3, times.openMs, times).state, 'halfOpen', 'successes of before the probe are old news');
    assert.equal(afterSuccesses(withProbe(half, times.openMs), 1, times.openMs + 1, times).state, 'closed');
  });

  test('opens for longer and longer while probes fail, and not for ever', () => {
    let circuit = open();
    const lengths: number[] = [];
    for (let nowMs = 0, turn = 0; turn < 8; turn++) {
      nowMs = circuit.openUntil;
      circuit = afterFailures(withProbe(circuitAt(circuit, nowMs, times), nowMs), 1, nowMs, times);
      lengths.push(circuit.openUntil - nowMs);
    }
    assert.deepEqual(lengths, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
  });

  test('replaces a probe that never ends', () => {
    const probing = withProbe(circuitAt(open(), times.openMs, times), times.openMs);
    assert.equal(roomOf(circuitAt(probing, times.openMs + times.probeMs, times)), 1);
  });

  test('is that of the store which the failure names', () => {
    assert.equal(storeIn('cannot read s3://lake/a/b.csv: 503 Slow Down'), 's3://lake');
    assert.equal(storeIn('https://data.example:8443/x answered 429'), 'https://data.example:8443');
    assert.equal(storeIn('cannot write file:///out/part: no answer'), 'file://');
    assert.equal(storeIn('no answer in 30 s'), null);
  });
});
