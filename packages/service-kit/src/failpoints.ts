/**
 * Named gaps between two steps of a protocol, where a test may let a process die. This is the module of the product, which does nothing; a process
 * that is started with Node's condition `millrace-test` gets `testing/failpoints.ts` in its place. No setting turns one into the other.
 */

/** Passes the gap. `detail` names what passes, such as a chunk, and is only read by tests. */
export async function failpoint(_gap: string, _detail?: string): Promise<void> {}
