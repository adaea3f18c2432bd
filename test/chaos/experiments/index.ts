import { bombs } from './bombs.ts';
import { canaries } from './canaries.ts';
import { clocks } from './clocks.ts';
import type { Experiment } from './experiment.ts';
import { hostilePipelines } from './hostile-pipelines.ts';
import { installScripts } from './install-scripts.ts';
import { lateCommits } from './late-commits.ts';
import { kernelLimits } from './limits.ts';
import { lossyNetwork } from './lossy-network.ts';
import { sentinelFailover, splitBrain } from './sentinels.ts';
import { soak } from './soak.ts';
import { storeAway } from './store-away.ts';
import { unavailable } from './unavailable.ts';
import { rollingUpgrade } from './upgrade.ts';
import { walks } from './walks.ts';

export const experiments: readonly Experiment[] = [
  walks,
  lateCommits,
  rollingUpgrade,
  bombs,
  hostilePipelines,
  canaries,
  soak,
  installScripts,
  storeAway,
  splitBrain,
  lossyNetwork,
  sentinelFailover,
  clocks,
  kernelLimits,
  ...unavailable,
];
