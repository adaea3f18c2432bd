import { bombs } from './bombs.ts';
import { clocks } from './clocks.ts';
import type { Experiment } from './experiment.ts';
import { lateCommits } from './late-commits.ts';
import { kernelLimits } from './limits.ts';
import { lossyNetwork } from './lossy-network.ts';
import { sentinelFailover, splitBrain } from './sentinels.ts';
import { storeAway } from './store-away.ts';
import { unavailable } from './unavailable.ts';
import { rollingUpgrade } from './upgrade.ts';
import { walks } from './walks.ts';

export const experiments: readonly Experiment[] = [
  walks,
  lateCommits,
  rollingUpgrade,
  bombs,
  storeAway,
  splitBrain,
  lossyNetwork,
  sentinelFailover,
  clocks,
  kernelLimits,
  ...unavailable,
];
