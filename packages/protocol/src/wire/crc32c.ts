// biome-ignore-all lint/style/noNonNullAssertion: each index is masked to the table's size or held below the length; a check a byte would halve the speed
/** CRC-32C (Castagnoli), eight bytes a step: Node's own `crc32` is of another polynomial. */

const polynomial = 0x82f63b78;

const tables: readonly Uint32Array[] = buildTables();

function buildTables(): Uint32Array[] {
  const built = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte += 1) {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    built[0]![byte] = value;
  }
  for (let depth = 1; depth < 8; depth += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const above = built[depth - 1]![byte]!;
      built[depth]![byte] = (above >>> 8) ^ built[0]![above & 0xff]!;
    }
  }
  return built;
}

/** The checksum as an unsigned number. */
export function crc32c(bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let crc = 0xffffffff;
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at += 1) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}
