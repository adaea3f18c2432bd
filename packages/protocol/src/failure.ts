/**
 * What can go wrong: classes, and the closed list of codes. The class alone decides what happens; nobody matches on message text. A code is never
 * renamed or reused. The core uses the same strings; a test there compares them with this list.
 */

export const failureClasses = ['data', 'input', 'transient', 'resource', 'crash', 'lost', 'bug'] as const;
/** `data` a reject · `input` dead at once · `transient` retry · `resource` retry with less · `crash` fresh core, then bisect · `lost` rescue · `bug` one retry. */
export type FailureClass = (typeof failureClasses)[number];
/** Classes that end an attempt. A record of class `data` does not: its chunk commits. */
export type AttemptFailureClass = Exclude<FailureClass, 'data'>;

export interface CodeInfo {
  /** Null: ends a job or refuses a call, not an attempt. */
  readonly class: FailureClass | null;
  readonly title: string;
  /** What to do about it; empty where the message itself says it. */
  readonly hint: string;
}

const data = (title: string, hint = ''): CodeInfo => ({ class: 'data', title, hint });
const input = (title: string, hint = ''): CodeInfo => ({ class: 'input', title, hint });
const transient = (title: string, hint = ''): CodeInfo => ({ class: 'transient', title, hint });
const resource = (title: string, hint = ''): CodeInfo => ({ class: 'resource', title, hint });
const crash = (title: string, hint = ''): CodeInfo => ({ class: 'crash', title, hint });
const lost = (title: string, hint = ''): CodeInfo => ({ class: 'lost', title, hint });
const bug = (title: string, hint = ''): CodeInfo => ({ class: 'bug', title, hint });
const call = (title: string, hint = ''): CodeInfo => ({ class: null, title, hint });

export const failureCodes = {
  // Reading CSV
  CSV_UNCLOSED_QUOTE: data('a quoted field did not end', 'look at the first line of the range; strayQuotes: literal, or quoteChar: ""'),
  CSV_STRAY_QUOTE: data('a quote inside an unquoted field, or text after a closing quote', 'strayQuotes: literal, or the sender should double quotes'),
  CSV_BAD_ESCAPE: data('the escape character stands before something it cannot escape', 'escapeChar'),
  CSV_SHORT_ROW: data('fewer fields than columns', 'an unquoted newline? shortRows: pad; comment lines: commentChar'),
  CSV_LONG_ROW: data('more fields than columns', 'an unquoted delimiter? longRows: truncate'),
  CSV_BLANK_ROW: data('a blank line', 'blankRows: skip'),
  CSV_RECORD_TOO_LARGE: data('a record is larger than maxRecordSize', 'raise maxRecordSize, or check lineTerminator'),
  CSV_HEADER_MISSING: input('there is no header row where the pins say one is', 'header: false, or headerRows'),
  CSV_DIALECT_UNCERTAIN: call('two readings of the file are equally good', 'set the dialect key that the message names'),
  // Reading JSON and lines
  JSON_SYNTAX: data('not a JSON value', 'is there one value a line?'),
  JSON_NOT_OBJECT: data('the record is no JSON object', 'json.records, or another format'),
  JSON_DUPLICATE_KEY: data('a key stands twice in an object', 'json.duplicateKeys'),
  JSON_TOO_DEEP: data('nested deeper than json.maxDepth', 'raise json.maxDepth if the data are right'),
  JSON_RECORD_TOO_LARGE: data('a record is larger than maxRecordSize', 'raise maxRecordSize if the data are right'),
  JSON_BAD_ESCAPE: data('a lone surrogate or an unknown escape', 'the sender cut a character in two'),
  JSON_ARRAY_BROKEN: input('the array cannot be followed past this byte', 'ask for NDJSON: it survives one bad record'),
  JSON_ARRAY_MISSING: input('json.records leads to no array', 'json.records'),
  LINES_NO_MATCH: data('the pattern does not match this record', 'recordStart for records of several lines'),
  LINES_RECORD_TOO_LARGE: data('a record is larger than maxRecordSize', 'recordStart, or raise maxRecordSize'),
  // Reading columnar files
  PARQUET_MAGIC: input('not a Parquet file', 'format'),
  PARQUET_FOOTER: input('the footer is missing, cut or contradictory', 'the upload may be incomplete'),
  PARQUET_PAGE: input('a page is corrupt or its checksum is wrong', 'ask for the file again'),
  PARQUET_UNSUPPORTED: input('encryption, codec or type that is not read', 'rewrite the file'),
  ARROW_MAGIC: input('not an Arrow file', 'format'),
  ARROW_BATCH: input('a batch is corrupt', 'ask for the file again'),
  ARROW_UNSUPPORTED: input('codec or type that is not read', 'rewrite the file'),
  // Encodings and schemas
  ENCODING_INVALID_BYTES: data('bytes that are illegal in the pinned encoding', 'another encoding? or invalidBytes: replace'),
  ENCODING_TRUNCATED: data('the file ends inside a character', 'the upload may be incomplete'),
  ENCODING_UNCERTAIN: call('the encoding cannot be decided', 'set encoding'),
  ENCODING_MISMATCH: input('the byte order mark contradicts the encoding', 'drop encoding, or correct it'),
  SCHEMA_MISSING_COLUMN: input('a field has no column in this file', 'aliases, caseSensitive: false, or missingColumns: setNull'),
  SCHEMA_EXTRA_COLUMN: input('a column of the file has no field', 'extraColumns'),
  SCHEMA_EXTRA_KEY: data('a key of the record has no field', 'extraColumns'),
  SCHEMA_AMBIGUOUS_COLUMN: input('two columns match one field', 'aliases, or caseSensitive'),
  SCHEMA_TYPE_CHANGED: input('a column has a type that the field cannot take', 'give old and new files inputs of their own'),
  SCHEMA_DRIFT: input('the file contradicts the pins', 'pin: file, or a job of its own'),
  // Types and constraints
  TYPE_INTEGER: data('not an integer', 'groupChar, missingValues; where the type was inferred, also schema: text'),
  TYPE_NUMBER: data('not a number', 'decimalChar, groupChar, missingValues; where the type was inferred, also schema: text'),
  TYPE_BOOLEAN: data('not a boolean', 'trueValues, falseValues'),
  TYPE_DATE: data('not a date', 'format, missingValues'),
  TYPE_TIME: data('not a time', 'format, missingValues'),
  TYPE_DATETIME: data('not an instant', 'format, timezone, missingValues'),
  TYPE_YEAR: data('not a year', 'missingValues'),
  TYPE_DURATION: data('not a duration', 'missingValues'),
  TYPE_STRING: data('not text', 'type: any'),
  TYPE_OBJECT: data('not an object', 'type: any'),
  TYPE_ARRAY: data('not an array', 'type: any'),
  TYPE_LIST: data('not a list', 'delimiter, itemType'),
  TYPE_FORMAT: data('not of the format that the field asks for', 'format: default'),
  TYPE_RANGE: data('outside the range of the type', 'number with precision'),
  TYPE_PRECISION: data('digits would be lost', 'scale'),
  CONSTRAINT_REQUIRED: data('a required value is missing', 'correct and replay, or relax the constraint'),
  CONSTRAINT_UNIQUE: data('the key belongs to another record', 'correct and replay, or relax the constraint'),
  CONSTRAINT_MINIMUM: data('below the minimum', 'correct and replay, or relax the constraint'),
  CONSTRAINT_MAXIMUM: data('above the maximum', 'correct and replay, or relax the constraint'),
  CONSTRAINT_MIN_LENGTH: data('shorter than the minimum', 'correct and replay, or relax the constraint'),
  CONSTRAINT_MAX_LENGTH: data('longer than the maximum', 'correct and replay, or relax the constraint'),
  CONSTRAINT_PATTERN: data('does not match the pattern', 'correct and replay, or relax the constraint'),
  CONSTRAINT_ENUM: data('not one of the allowed values', 'correct and replay, or relax the constraint'),
  // SQL over records
  TRANSFORM_CAST: data('a cast failed', 'try_cast'),
  TRANSFORM_OVERFLOW: data('a result does not fit its type', 'a wider type'),
  TRANSFORM_DIVIDE_BY_ZERO: data('division by zero', 'nullif(x, 0)'),
  TRANSFORM_FUNCTION: data('a function refused its argument', 'guard it with CASE'),
  TRANSFORM_ROW_TOO_LARGE: data('a record yields too many rows or too large a row', 'guard it with CASE'),
  TRANSFORM_PARTITION_VALUE: data('a partition value is too long', 'another partitionBy'),
  TRANSFORM_AGGREGATE: input('an aggregate or window failed', 'a wider type, such as CAST(x AS DECIMAL(38, 2))'),
  // Inputs and outputs
  INPUT_NOT_FOUND: input('the object is not there', 'restore it, then redrive'),
  INPUT_NONE: call('a pattern matches nothing', 'ifNone: ok'),
  INPUT_LIST: call('the list file is wrong', 'the message names the line'),
  INPUT_CHANGED: input('etag or size differ from the pinned ones', 'submit again: a job never mixes versions'),
  INPUT_TRUNCATED: input('the compressed stream ends early', 'ask for the file again, or keepIntactPrefix'),
  INPUT_CORRUPT: input('checksum or structure of the compressed stream is wrong', 'ask for the file again, or keepIntactPrefix'),
  INPUT_MAGIC: input('the content is not of the pinned format or compression', 'format: auto; a workbook must be saved as CSV'),
  OVER_LIMIT: input('a limit is passed', 'the message names limit, value and place'),
  INPUT_RANGE: input('the range starts inside a record or lies outside the object', 'send record starts'),
  INPUT_DIGEST_MISMATCH: call('the digest differs from the one expected', 'ask the sender; the message has both'),
  INPUT_COUNT_MISMATCH: call('totals differ from the ones expected', 'ask the sender; the message has both'),
  INPUT_LOOKUP: call('a lookup table is unreadable, too large, or has rejects', 'maxSize'),
  INPUT_STREAM_ABANDONED: call('a stream was not sealed in time', 'sealTimeLimit'),
  OUTPUT_NOT_EMPTY: call('the place holds other files', 'another place, or ifNotEmpty: append'),
  OUTPUT_TOO_MANY_PARTITIONS: call('more folders than maxPartitions', 'another partitionBy'),
  // Storage and Redis
  STORAGE_THROTTLED: transient('the store asks to slow down', 'many at once open the circuit'),
  STORAGE_UNAVAILABLE: transient('the store failed', 'many at once open the circuit'),
  STORAGE_TIMEOUT: transient('the store did not answer in time', 'many at once open the circuit'),
  STORAGE_CONNECTION: transient('the store cannot be reached', 'DNS, TLS, network'),
  STORAGE_FORBIDDEN: transient('the store refused access', 'check what the connection may do; it is retried because credentials rotate'),
  STORAGE_CHECKSUM: transient('what was read back is not what was written', 'if it repeats, suspect disk or network'),
  STORAGE_FULL: resource('quota or disk of the output is full', 'make room, then redrive'),
  STORE_IGNORES_CONDITIONS: call('the store ignores conditional writes', 'another store or gateway version'),
  JOURNAL_UNSAFE: call('a record that was there is gone', 'another store or gateway version'),
  REDIS_UNAVAILABLE: transient('Redis does not answer, is read-only or is loading', 'submits wait meanwhile'),
  REDIS_MEMORY: transient('Redis is over its memory limit', 'submits wait meanwhile'),
  // The core and its host
  CORE_CRASH: crash('the core died', 'tail of stderr; of a reject: keep it for a bug report'),
  PROTOCOL_VIOLATION: crash('a frame broke the protocol', 'tail of stderr; report it'),
  CORE_HUNG: crash('no progress', 'tail of stderr; report it'),
  CORE_MEMORY: resource('the core is out of memory', 'smaller chunkSize, or more coreMemory'),
  CORE_DISK_FULL: resource('the spill space is full', 'more partitions or scratch space'),
  CORE_TIME_LIMIT: resource('over attemptTimeLimit', 'smaller chunkSize'),
  CORE_START: transient('the core did not start or greet in time', 'is the binary there and may it run?'),
  CORE_PANIC: bug('an invariant broke', 'report it with the backtrace'),
  CORE_SANDBOX: bug('a system call was denied', 'report it with the backtrace'),
  CORE_VERSION: bug('host and core disagree at the handshake', 'build both from one checkout'),
  LEASE_EXPIRED: lost('the host stopped renewing its lease', 'memory and restarts of the host'),
  LEASE_LOST: lost('host or core could not prove the lease any more', 'latency of Redis, delay of the event loop'),
  LEASE_HOST_GONE: lost('the host was evicted or killed', 'time to drain against time of a chunk'),
  ATTEMPT_RELEASED: lost('the host handed the task back, draining or because the job was paused'),
  ATTEMPT_CANCELLED: lost('the job was cancelled while the attempt ran'),
  ATTEMPT_SUPERSEDED: lost('the verdict was filled by another before this attempt'),
  BALANCE_MISMATCH: bug('records in do not equal records out', 'the job fails; report it'),
  PLAN_CONFLICT: bug('planned ranges overlap or leave a hole', 'the job fails; report it'),
  // Ends of a job
  BUDGET_REJECTS: call('the budget of rejects is used up', 'fix and replay, or raise it in a redrive'),
  BUDGET_FILE: call('the reject budget of a file is used up', 'fix and replay, or raise it in a redrive'),
  BUDGET_COLUMN: call('the reject budget of a column is used up', 'write the type of an inferred column; or fix and replay, or raise it in a redrive'),
  BUDGET_CODE: call('the reject budget of a code is used up', 'fix and replay, or raise it in a redrive'),
  BUDGET_DEAD_LETTERS: call('the budget of dead letters is used up', 'cure and redrive, or raise it in a redrive'),
  JOB_TIME_LIMIT: call('the job is older than jobTimeLimit', 'raise it in a redrive'),
  JOB_FAILED: call('the job failed', 'its status says why'),
  JOB_CANCELLED: call('the job was cancelled', 'redrive it to go on'),
  // The job spec
  SPEC_UNKNOWN_FIELD: call('the spec has a field that does not exist'),
  SPEC_MISSING_FIELD: call('the spec lacks a required field'),
  SPEC_WRONG_TYPE: call('a value of the spec has another JSON type'),
  SPEC_OUT_OF_RANGE: call('a value of the spec is out of range'),
  SPEC_BAD_VALUE: call('a value of the spec is not one of the allowed'),
  SPEC_CONFLICT: call('two fields of the spec exclude each other'),
  SPEC_VERSION: call('unknown version of the spec format'),
  SPEC_NOT_AVAILABLE: call('this version does not do that yet', 'leave the option out'),
  SPEC_URI: call('not a place that can be used here'),
  SPEC_SCHEME_DENIED: call('this scheme or host is not allowed'),
  SPEC_SECRET_INLINE: call('a secret stands in the spec', 'credentials are settings of the server, named by connection'),
  SPEC_CONNECTION_UNKNOWN: call('no such connection'),
  SPEC_TENANT_DENIED: call('not allowed for this tenant'),
  SPEC_QUOTA: call('over a quota'),
  SPEC_SCHEMA_FIELD: call('a field of the schema cannot be like that'),
  SPEC_NAME_TAKEN: call('a name stands twice'),
  SPEC_NAME_RESERVED: call('a reserved name'),
  SPEC_UNIQUE_LIMIT: call('too many unique fields'),
  SPEC_ENCODING: call('unknown encoding'),
  SPEC_TIMEZONE: call('unknown time zone'),
  SPEC_REGEX: call('a pattern that cannot be used', 'patterns have no look-around and no back-references'),
  SPEC_GROK: call('a grok pattern that cannot be used'),
  SPEC_CODE_UNKNOWN: call('no such failure code'),
  SPEC_STAGE_ORDER: call('stages in an impossible order'),
  SPEC_STAGE_UNKNOWN: call('no such input or stage'),
  SPEC_STAGE_REUSED: call('a stage is read twice'),
  SPEC_EXCHANGE_KEY: call('a column that cannot be an exchange key'),
  SPEC_PARAM_UNKNOWN: call('a parameter without value', 'give it in params'),
  SPEC_KEY_MISSING: call('a keyed function without privacy.key'),
  SPEC_CRON: call('not a cron expression'),
  SPEC_SCHEDULE_HERE: call('a schedule cannot be submitted as a job'),
  SPEC_SQL_SYNTAX: call('the SQL cannot be read'),
  SPEC_SQL_UNKNOWN_COLUMN: call('the SQL names a column that does not exist'),
  SPEC_SQL_TYPE: call('types in the SQL do not fit'),
  SPEC_SQL_UNSUPPORTED: call('SQL that is not supported'),
  SPEC_SQL_NOT_ROWWISE: call('a map stage must treat each row by itself'),
  SPEC_SQL_NONDETERMINISTIC: call('a function whose result differs between runs', 'job_time() and record_id()'),
  // Calls
  REQUEST_INVALID: call('the request cannot be read'),
  REQUEST_TOO_LARGE: call('the request is too large'),
  REQUEST_MEDIA_TYPE: call('a body of a media type that is not taken here', 'the Content-Type that the message names'),
  RANGE_NOT_SATISFIABLE: call('the range lies outside the file'),
  FILTER_INVALID: call('the filter cannot be read', 'the message names the term'),
  CURSOR_INVALID: call('the cursor is not one of this list, or is older than a day', 'start from the first page'),
  AUTH_REQUIRED: call('who asks is not known', 'a token in Authorization: Bearer, or a sign-in'),
  AUTH_FORBIDDEN: call('the role, tenant or scope does not allow it', 'ask an admin for the role that the message names'),
  AUTH_CSRF: call('a request with a cookie that another site may have made', 'send it from the page itself, as JSON'),
  AUTH_STALE: call('the sign-in is too long ago for this act', 'sign in again'),
  NOT_FOUND: call('no such thing'),
  POOL_UNKNOWN: call('no such pool'),
  STATE_CONFLICT: call('the state forbids it'),
  KEY_IN_FLIGHT: call('a call with this key is under way', 'ask again'),
  KEY_CONFLICT: call('the idempotency key belongs to another spec', 'another key, or the first spec'),
  FILTER_EMPTY: call('the filter selects nothing', 'look at the list with it first'),
  PLAN_EMPTY: call('nothing is selected'),
  PLAN_USED: call('the plan was started before', 'make a new plan'),
  PLAN_EXPIRED: call('the plan is too old to be started', 'make a new plan'),
  CONFIRM_MISMATCH: call('the number confirmed is not that of the plan', 'look at the plan again'),
  GONE: call('it was there and is kept no longer'),
  ETAG_MISMATCH: call('somebody changed it in the meantime', 'read it again'),
  RATE_LIMITED: call('too many requests', 'wait for as long as Retry-After says'),
  STREAM_LIMIT: call('too many open event streams', 'close one'),
  REJECT_REPLAYED: call('a reject that a replay has taken up already'),
  REJECT_UNKNOWN: call('an id names no reject of the job'),
  REASON_REQUIRED: call('a reason is required'),
  QUOTA_EXCEEDED: call('over a quota', 'try again later'),
  BUSY: call('too much at once', 'try again later'),
  REBUILDING: call('the ledger is being rebuilt', 'try again later'),
  INTERNAL: call('something unforeseen', 'report it'),
} as const satisfies Record<string, CodeInfo>;

export type FailureCode = keyof typeof failureCodes;

export function isFailureCode(text: string): text is FailureCode {
  return Object.hasOwn(failureCodes, text);
}

/** What is known of a code; of one that a newer core made up, that it is a bug. */
export function codeInfo(code: string): CodeInfo {
  return isFailureCode(code) ? failureCodes[code] : bug('an unknown code', 'host and core differ in age');
}

export function classOf(code: string): FailureClass | null {
  return codeInfo(code).class;
}

/**
 * The class of a failure that ended an attempt. `data` and `–` codes cannot do that by rule; where one does, the invariant is broken: `bug`.
 */
export function attemptClassOf(code: string): AttemptFailureClass {
  const found = classOf(code);
  return found === null || found === 'data' ? 'bug' : found;
}

/** How one attempt failed, as classified once by its host. */
export interface Failure {
  readonly class: AttemptFailureClass;
  readonly code: FailureCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** From the outermost to the root. */
  readonly causes: readonly string[];
  readonly fingerprint: string;
}
