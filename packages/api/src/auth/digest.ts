/** What is kept of a secret: its SHA-256, in hex. */
import { createHash } from 'node:crypto';

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
