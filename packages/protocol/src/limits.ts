/** Every bound that both languages share, and those of records and calls. Bytes unless the name says otherwise. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** A journal record, and the payload of one frame. */
export const maxRecordBytes = 8 * MiB;
/** The header of one frame. */
export const maxHeaderBytes = 1 * MiB;
export const maxPayloadBytes = 8 * MiB;
export const maxSpecBytes = 256 * KiB;
export const maxSqlBytes = 64 * KiB;
/** Chunks in one plan segment, and inputs in one inputs record. */
export const maxSegmentChunks = 1_000;
export const maxInputsPerRecord = 1_000;
export const maxListEntries = 1_000;
export const maxDeleteKeys = 1_000;
export const maxFilesPerJob = 100_000;
export const maxChunksPerJob = 1_000_000;
export const maxInlinePayloadBytes = 64 * KiB;
export const maxInlineChunkBytes = 8 * MiB;
/** Chunks that a producer of a stream sends at once. */
export const maxBatchChunks = 500;
export const maxChunkKeyLength = 128;
export const maxIdempotencyKeyLength = 255;
export const maxReasonLength = 1_000;
/** Of a dead letter the newest attempts stand in its record; the others in `failures/`. */
export const maxDeadLetterAttempts = 50;
/** Kept of a core's stderr in a failure record. */
export const stderrTailBytes = 8 * KiB;
