import type { Experiment } from './experiment.ts';
import { walks } from './walks.ts';

export const experiments: readonly Experiment[] = [walks];
