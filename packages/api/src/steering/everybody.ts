/** For looks that are made once for all callers and cut to each afterwards. */
import type { Caller } from '../auth/caller.ts';
import { nobody } from '../auth/caller.ts';

export const everybody: Caller = { ...nobody, by: 'api', name: 'api', tenants: null };
