/** Signs the tasks of benches. */
export const taskKey = `k1:${'0'.repeat(64)}`;
