/** F39 for as long as one likes: walks from one seed to the next. */
import { startTestRedis } from '@millrace/queues/testing';
import { walk, walkRedis } from '../../model/walks.ts';
import { type Experiment, Findings } from './experiment.ts';

const walksAtOnce = 20;
const stepsOfWalk = 150;
/** Distance of the seeds of two rounds: those of neighbouring runs do not meet. */
const seedStep = 1_000_003;

export const walks: Experiment = {
  fault: 'F39',
  what: 'random walks over everything that decides',
  async run({ seed, seconds }) {
    const findings = new Findings();
    const redis = walkRedis(await startTestRedis());
    const until = performance.now() + seconds * 1_000;
    let [count, steps] = [0, 0];
    await findings.during('a walk', async () => {
      for (let from = seed; performance.now() < until; from += seedStep) {
        const done = await walk(redis, { seed: from, walks: walksAtOnce, steps: stepsOfWalk });
        count += done.walks;
        steps += done.steps;
      }
    });
    await redis.redis.stop();
    Object.assign(findings.figures, { walks: count, steps });
    return findings;
  },
};
