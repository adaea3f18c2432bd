/** Local passwords: scrypt with numbers that cost an attacker 64 MB and two passes a try. The numbers are kept with each, so that they can be raised. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { PasswordDigest } from '@millrace/protocol';

const cost = 2 ** 16;
const blockSize = 8;
const parallelization = 2;
const keyBytes = 32;

export async function digestPassword(password: string): Promise<PasswordDigest> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, { cost, blockSize, parallelization });
  return { algorithm: 'scrypt', salt: salt.toString('hex'), key: key.toString('hex'), cost, blockSize, parallelization };
}

/** Takes as long for a user that does not exist (null): nobody learns by the clock who has an account. */
export async function isPassword(password: string, digest: PasswordDigest | null): Promise<boolean> {
  const against = digest ?? nobodys;
  const key = await derive(password, Buffer.from(against.salt, 'hex'), against);
  return timingSafeEqual(key, Buffer.from(against.key, 'hex')) && digest !== null;
}

const nobodys: PasswordDigest = { algorithm: 'scrypt', salt: '00'.repeat(16), key: '00'.repeat(keyBytes), cost, blockSize, parallelization };

let turn: Promise<unknown> = Promise.resolve();

/** One after another: of many tries at once none takes the memory of the others. Composed and decomposed letters are one password. */
function derive(password: string, salt: Uint8Array, numbers: Pick<PasswordDigest, 'cost' | 'blockSize' | 'parallelization'>): Promise<Buffer> {
  const maxmem = 256 * numbers.cost * numbers.blockSize;
  const derived = turn.then(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        scrypt(password.normalize('NFKC'), salt, keyBytes, { ...numbers, maxmem }, (error, key) => (error === null ? resolve(key) : reject(error)));
      }),
  );
  turn = derived.catch(() => undefined);
  return derived;
}
