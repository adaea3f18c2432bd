/** Bytes that break the protocol, or a message that would. Whoever reads from a core kills it on this; nobody resynchronises. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code = 'PROTOCOL_VIOLATION';
  /** Where in the message, as `body.Plan.call.secrets[2].name`; absent for frames. */
  readonly path: string | null;

  constructor(message: string, path: string | null = null) {
    super(path === null ? message : `${message} at ${path}`);
    this.path = path;
  }
}
