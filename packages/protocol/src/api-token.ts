/** Tokens of the API as text: recognisable, and found by what they are, without a list. */
import { sha256Hex } from './canonical-json.ts';
import { toId } from './derived-ids.ts';

/** `mrt_` and 256 random bits. */
export const apiTokenPattern = /^mrt_[A-Za-z0-9_-]{43}$/;

/** Name of the document in `registry/tokens/`. */
export const tokenIdOf = (secret: string): string => toId('t', sha256Hex(secret));
