/**
 * The ledger's scripts. Each is one atomic change, conditional on the state it finds, and harmless when it runs twice: a client whose reply was
 * lost sends it again. Each checks the epoch first, so a late call of an old epoch changes nothing.
 *
 * KEYS: those of `Keys.job` in that order, then the chunk's. ARGV: the epoch, then the arguments as JSON.
 *
 * Fields of a job: those of `LedgerJob`, and `chunks bytesPlanned queued running retrying flightBytes committed counted deadChunks letters letterBytes work
 * sealed sealedSegments cursorSegment cursorOffset base paused cancelled rebuilding recheck endState endCode endMessage failure manifestKey
 * streamSegments streamChunks streamKeys streamBytes streamAt lastCommand revision planned release started stage:<name>:<chunks committed dead> sum:<stage>:<name> n:<work>`. A chunk without key is never dispatched, committed or dead: the bits say which.
 */
import { dispatch, markCommitted, openAttempt } from './ledger-batch-scripts.ts';

const prelude = `
local sentinel, jobs, job, segments, done, counted, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local live, again, due, rejects, letters, late, chunk = KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14]
if redis.call('HGET', sentinel, 'epoch') ~= ARGV[1] then return redis.error_reply('EPOCH is another one') end
local A = cjson.decode(ARGV[2])
local function now() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end
local function j(field) return redis.call('HGET', job, field) end
local function c(field) return redis.call('HGET', chunk, field) end
local function add(field, by) if by ~= 0 then redis.call('HINCRBY', job, field, by) end end
local function changed() redis.call('HINCRBY', job, 'revision', 1) end
local function int(text) return tonumber(text or '0') or 0 end
local function ours() return int(j('generation')) == A.generation end
local function isTerminal(state) return state == 'completed' or state == 'failed' or state == 'cancelled' end
-- What happened, added to the steps of time that charts are made of. They go by themselves.
local function tally(what)
  local at, tenant = now(), j('tenant')
  if not tenant then return end
  for _, kind in ipairs(A.series.kinds) do
    local key = A.series.prefix .. tenant .. ':' .. kind.name .. ':' .. string.format('%d', math.floor(at / kind.stepMs))
    for name, by in pairs(what) do if by ~= 0 then redis.call('HINCRBY', key, name, by) end end
    redis.call('EXPIRE', key, kind.keepSeconds)
  end
  redis.call('SADD', A.series.tenants, tenant)
end
-- Counts of states are kept for chunks alone: work has one counter.
local function isInFlight(state) return state == 'queued' or state == 'running' end
local function move(to)
  local from = c('state')
  if c('kind') == 'chunk' then
    if isInFlight(from) ~= isInFlight(to) then add('flightBytes', isInFlight(to) and int(c('bytes')) or -int(c('bytes'))) end
    if from and from ~= 'pending' then add(from, -1) end
    if to and to ~= 'pending' then add(to, 1) end
  elseif not to and from then
    add('work', -1)
  end
  if to then redis.call('HSET', chunk, 'state', to, 'changedAt', now()) end
  changed()
end
local function clearAttempt() redis.call('HDEL', chunk, 'attemptId', 'attempt', 'previous', 'bytesDone', 'recordsDone') end
local function dropChunk()
  if redis.call('EXISTS', chunk) == 0 then return end
  move(nil)
  -- Work may be asked for again in this generation: its numbers go on.
  if c('kind') ~= 'chunk' then redis.call('HSET', job, 'n:' .. A.chunkId, c('number')) end
  redis.call('DEL', chunk)
  redis.call('SREM', live, A.chunkId)
  redis.call('SREM', again, A.chunkId)
  redis.call('ZREM', due, A.chunkId)
end
-- Chunks of this generation that may still be begun; nil when nothing holds them back.
local function releasable()
  local release = j('release')
  if not release or release == '' then return nil end
  return math.max(0, int(release) - int(j('started')))
end
-- Error groups of the job, a document each; the job is listed as one that has trouble. Groups beyond the thousandth are only counted.
local function noteGroup(note)
  local text = redis.call('HGET', A.trouble.groups, note.fingerprint)
  local group = text and cjson.decode(text)
  if not group then
    if redis.call('HLEN', A.trouble.groups) >= 2000 then
      redis.call('HINCRBY', A.trouble.groups, 'beyond', 1)
      return
    end
    group = { code = note.code, class = note.class, message = note.message, failures = 0, firstSeenAt = note.at, lastSeenAt = note.at, samples = {}, places = {} }
  end
  if note.counts then
    group.failures = group.failures + 1
    -- By hour, the newest 48.
    local hour, hours = string.sub(note.at, 1, 13), {}
    group.activity = group.activity or {}
    group.activity[hour] = (group.activity[hour] or 0) + 1
    for one in pairs(group.activity) do hours[#hours + 1] = one end
    table.sort(hours)
    for at = 1, #hours - 48 do group.activity[hours[at]] = nil end
  end
  if note.at < group.firstSeenAt then group.firstSeenAt = note.at end
  if note.at >= group.lastSeenAt then
    group.lastSeenAt = note.at
    group.message = note.message
  end
  local function push(list, item, same)
    local kept = { item }
    for _, one in ipairs(list) do if #kept < 5 and not same(one) then kept[#kept + 1] = one end end
    return kept
  end
  if note.sample then group.samples = push(group.samples, note.sample, function(one) return one == note.sample end) end
  local place = note.place
  if place and place ~= cjson.null then
    group.places = push(group.places, place, function(one) return one.uri == place.uri and one.start == place.start end)
  end
  redis.call('HSET', A.trouble.groups, note.fingerprint, cjson.encode(group))
end
local function hasTrouble(who) redis.call('HSETNX', A.trouble.troubled, A.jobId, who) end
local function whoOf() return cjson.encode({ tenant = j('tenant'), name = j('name') }) end
local function noteFailure(note, attemptId)
  if redis.call('SADD', A.trouble.counted, attemptId) == 0 then return end
  note.counts = true
  noteGroup(note)
end
local function countDead(fingerprint, by)
  if fingerprint and fingerprint ~= cjson.null then redis.call('HINCRBY', A.trouble.groups, 'dead:' .. fingerprint, by) end
end
local function forgetDead()
  for _, field in ipairs(redis.call('HKEYS', A.trouble.groups)) do
    if string.sub(field, 1, 5) == 'dead:' then redis.call('HDEL', A.trouble.groups, field) end
  end
  redis.call('UNLINK', letters)
end
local function backToPending()
  move('pending')
  clearAttempt()
  redis.call('SADD', again, A.chunkId)
end
`;

/** Set-if-absent. With `recreated` dispatch numbers start above all that an earlier ledger of this epoch can have used. */
const createJob = `
if redis.call('EXISTS', job) == 1 then return 0 end
local base = 0
if A.recreated then base = (math.floor(now() / 1000) - 1600000000) * 10 end
for field, value in pairs(A.fields) do redis.call('HSET', job, field, value) end
redis.call('HSET', job, 'base', base, 'revision', 1, 'streamAt', now())
redis.call('SADD', jobs, A.jobId)
return 1
`;

const setReady = `
if not ours() then return 0 end
redis.call('HDEL', job, 'rebuilding')
changed()
return 1
`;

const tellSegment = `
if redis.call('HSETNX', segments, A.segment, A.ref) == 1 then
  add('segments', 1)
  if A.fresh then
    add('chunks', A.chunks)
    add('stage:' .. A.stage .. ':chunks', A.chunks)
    add('bytesPlanned', A.bytes)
  end
  changed()
end
local state = j('state')
if state == 'accepted' or state == 'planning' then redis.call('HSET', job, 'state', 'running') end
return 1
`;

const recordSegment = `
if not ours() then return 0 end
${tellSegment}`;

/** Which of these keys a stream has: 0 none, 1 with the same content, 2 with another. With the number of segments they were looked up in. */
const streamLook = `
if redis.call('EXISTS', job) == 0 then return nil end
local found = {}
for i, key in ipairs(A.keys) do
  local held = redis.call('HGET', A.keysPrefix .. key[1], key[2])
  found[i] = not held and 0 or (held == key[3] and 1 or 2)
end
return { int(j('streamSegments')), int(j('streamChunks')), found }
`;

/** Segments of a stream are told in the order of their numbers, so that what is known of its keys is that of the first n: -1 is one too early. */
const streamRecord = `
if not ours() then return 0 end
local known = int(j('streamSegments'))
if known > A.segment then return 1 end
if known < A.segment then return -1 end
for _, key in ipairs(A.keys) do redis.call('HSET', A.keysPrefix .. key[1], key[2], key[3]) end
redis.call('HSET', job, 'streamSegments', A.segment + 1, 'streamAt', now())
add('streamChunks', A.chunks)
add('streamKeys', #A.keys)
add('streamBytes', A.sent)
${tellSegment}`;

const sealPlan = `
if not ours() then return 0 end
if j('sealed') ~= '1' then
  redis.call('HSET', job, 'sealed', 1, 'sealedSegments', A.segments)
  changed()
end
local state = j('state')
if state == 'accepted' or state == 'planning' then redis.call('HSET', job, 'state', 'running') end
return 1
`;

/**
 * A later stage is planned. In a later generation some of its chunks were committed before, with other inputs: then the job is read anew from the
 * journal, which knows which receipts count.
 */
const sealStage = `
if not ours() or int(j('planned')) ~= A.index then return 0 end
if A.generation > 1 and not A.rebuilt then
  redis.call('HSET', job, 'recheck', 1)
  changed()
  return 1
end
for _, segment in ipairs(A.segments) do
  if redis.call('HSETNX', segments, segment.number, segment.ref) == 1 then
    add('segments', 1)
    add('chunks', segment.chunks)
    add('stage:' .. A.stage .. ':chunks', segment.chunks)
    add('bytesPlanned', segment.bytes)
  end
end
redis.call('HSET', job, 'planned', A.index + 1, 'sealedSegments', A.upTo)
changed()
return 1
`;

const setState = `
if not ours() then return 0 end
local state = j('state')
if state == A.to then return 1 end
for _, from in ipairs(A.from) do
  if state == from then
    redis.call('HSET', job, 'state', A.to)
    changed()
    return 1
  end
end
return 0
`;

/** How the generation must end; the first such decision stands. */
const setEnd = `
if not ours() or isTerminal(j('state')) then return 0 end
if redis.call('HSETNX', job, 'endState', A.state) == 1 then
  redis.call('HSET', job, 'endCode', A.code, 'endMessage', A.message)
  changed()
end
return 1
`;

/** A command is applied once, in the order of its number. */
const applyFlags = `
if not ours() then return 0 end
if int(j('lastCommand') or '-1') >= A.command then return 1 end
for field, value in pairs(A.flags) do redis.call('HSET', job, field, value) end
redis.call('HSET', job, 'lastCommand', A.command)
changed()
return 1
`;

const addWork = `
if not ours() or isTerminal(j('state')) then return 0 end
if redis.call('EXISTS', chunk) == 1 then return 1 end
if A.kind == 'finish' and j('state') ~= 'finishing' then return 0 end
local number = j('n:' .. A.chunkId) or j('base')
redis.call('HSET', chunk, 'kind', A.kind, 'state', 'pending', 'generation', A.generation, 'number', number, 'mode', 'normal', 'bytes', 0,
  'segmentKey', '', 'segmentDigest', '', 'changedAt', now())
redis.call('SADD', live, A.chunkId)
redis.call('SADD', again, A.chunkId)
add('work', 1)
changed()
return 1
`;

/**
 * Chunks never dispatched, from the cursor on, at most `limit` of at most 1,000 looked at. The cursor passes what has an outcome or a key:
 * neither comes back without a key.
 */
const nextPlanned = `
if j('state') ~= 'running' or j('paused') == '1' or j('cancelled') == '1' or j('endState') or j('rebuilding') then return {} end
A.limit = math.min(A.limit, releasable() or A.limit)
local segment, offset = int(j('cursorSegment')), int(j('cursorOffset'))
local found, looked, cursor = {}, 0, nil
local moving = true
-- Which of some chunks, from the first on, have an outcome or a key.
local function taken(stage, first, count)
  local from, to = math.floor(first / 8), math.floor((first + count - 1) / 8)
  local committed, lost = redis.call('GETRANGE', done, from, to), redis.call('GETRANGE', dead, from, to)
  local ids = {}
  for at = 1, count do ids[at] = A.jobId .. '.' .. stage .. '.' .. string.format('%.0f', first + at - 1) end
  local keyed = redis.call('SMISMEMBER', live, unpack(ids))
  return function(index)
    local byte, mask = math.floor(index / 8) - from + 1, 2 ^ (7 - index % 8)
    local bits = bit.bor(string.byte(committed, byte) or 0, string.byte(lost, byte) or 0)
    return bit.band(bits, mask) ~= 0 or keyed[index - first + 1] == 1
  end
end
local function isOver() return looked >= 1000 or #found >= A.limit end
-- Chunks of one range, in slices; so many chunks of the segment stand before it.
local function lookThrough(stage, range, from, before)
  local at = from
  while at < range[2] and not isOver() do
    local size = math.min(range[2] - at, 1000 - looked, math.max(32, A.limit - #found))
    local isTaken = taken(stage, range[1] + at, size)
    for _ = 1, size do
      if isOver() then return end
      local index = range[1] + at
      looked, at = looked + 1, at + 1
      if not isTaken(index) then
        found[#found + 1] = { segment, index }
        moving = false
      end
      if moving then cursor = { segment, before + at } end
    end
  end
end
while not isOver() do
  local text = redis.call('HGET', segments, segment)
  if not text then break end
  local ref = cjson.decode(text)
  local before = 0
  for _, range in ipairs(ref.ranges) do
    if offset - before < range[2] then lookThrough(ref.stage, range, math.max(0, offset - before), before) end
    before = before + range[2]
  end
  if isOver() then break end
  segment, offset = segment + 1, 0
  if moving then cursor = { segment, 0 } end
end
if cursor then redis.call('HSET', job, 'cursorSegment', cursor[1], 'cursorOffset', cursor[2]) end
return found
`;

const progress = `
local current = c('attemptId') == A.attemptId and c('generation') == j('generation')
if current then redis.call('HSET', chunk, 'bytesDone', A.bytesDone, 'recordsDone', A.recordsDone, 'changedAt', now()) end
local cancelled = (j('cancelled') == '1' or j('endState')) and A.kind ~= 'finish'
return { current and 1 or 0, cancelled and 1 or 0, j('paused') == '1' and 1 or 0 }
`;

const failAttempt = `
if A.record then redis.call('HSET', late, 'record:' .. A.recordKey, A.record) end
redis.call('HDEL', late, 'lost:' .. A.attemptId)
if redis.call('EXISTS', job) == 1 then
  noteFailure(A.note, A.attemptId)
  hasTrouble(whoOf())
end
if c('attemptId') ~= A.attemptId or int(c('generation')) ~= A.generation then return 0 end
redis.call('HINCRBY', chunk, 'past:' .. A.class, 1)
if A.class == 'crash' then
  local worker, workers = cjson.decode(c('attempt')).worker, cjson.decode(c('crashedOn') or '[]')
  workers[#workers + 1] = worker
  redis.call('HSET', chunk, 'crashedOn', cjson.encode(workers))
end
if c('mode') == 'bisect' and A.class ~= 'lost' then redis.call('HSET', chunk, 'bisected', 1) end
redis.call('HSET', chunk, 'last', A.last)
if c('kind') == 'chunk' then tally(A.class == 'lost' and { lost = 1 } or { failed = 1 }) end
move('retrying')
clearAttempt()
redis.call('ZADD', due, 0, A.chunkId)
return 1
`;

const releaseAttempt = `
if A.record then redis.call('HSET', late, 'record:' .. A.recordKey, A.record) end
if c('attemptId') ~= A.attemptId or int(c('generation')) ~= A.generation then return 0 end
if c('kind') == 'chunk' then tally({ released = 1 }) end
backToPending()
return 1
`;

/**
 * The open attempt has found that the verdict says dead, and nobody told this ledger: whoever buried the chunk died before the mark, or spoke of an
 * earlier epoch. The steps of burying are repeated.
 */
const foundDead = `
if c('attemptId') ~= A.attemptId or int(c('generation')) ~= A.generation then return 0 end
if c('kind') == 'chunk' then tally({ released = 1 }) end
move('retrying')
clearAttempt()
redis.call('HSETNX', chunk, 'dying', A.reason)
redis.call('ZADD', due, -1, A.chunkId)
return 1
`;

const setNextTry = `
if not ours() or c('state') ~= 'retrying' or int(c('number')) ~= A.number then return 0 end
if int(redis.call('ZSCORE', due, A.chunkId)) ~= 0 then return 0 end
redis.call('HSET', chunk, 'mode', A.mode)
if A.forgiven and int(c('past:' .. A.forgiven)) > 0 then redis.call('HINCRBY', chunk, 'past:' .. A.forgiven, -1) end
redis.call('ZADD', due, now() + math.max(1, A.delayMs), A.chunkId)
changed()
return 1
`;

/** Ends the wait of a retry that is decided: it is due now. 2: nobody has decided it yet. */
const retryNow = `
if not ours() or c('state') ~= 'retrying' or int(c('number')) ~= A.number then return 0 end
local at = int(redis.call('ZSCORE', due, A.chunkId))
if at == 0 then return 2 end
if at < 0 then return 0 end
redis.call('ZADD', due, math.min(at, now()), A.chunkId)
changed()
return 1
`;

const flagDying = `
if not ours() or c('state') ~= 'retrying' or int(c('number')) ~= A.number then return 0 end
redis.call('HSETNX', chunk, 'dying', A.reason)
redis.call('ZADD', due, -1, A.chunkId)
return 1
`;

/** After the verdict \`dead\` stands in the journal. A committed chunk stays committed. */
const markDead = `
if not ours() then return 0 end
if A.isChunk then
  if redis.call('GETBIT', done, A.index) == 1 then return 0 end
  if redis.call('SETBIT', dead, A.index, 1) == 0 then
    add('deadChunks', 1)
    add('stage:' .. A.stage .. ':dead', 1)
    if not j('rebuilding') then tally({ dead = 1 }) end
  end
end
if A.letter and redis.call('HSETNX', letters, A.chunkId, A.letter) == 1 then
  add('letters', 1)
  add('letterBytes', A.bytes)
  countDead(A.note.fingerprint, 1)
  noteGroup(A.note)
  hasTrouble(whoOf())
end
dropChunk()
changed()
return 1
`;

const closeWork = `
if int(c('generation')) == A.generation then dropChunk() end
return 1
`;

const finishReported = `
if not ours() or isTerminal(j('state')) then return 0 end
dropChunk()
if A.state == 'notReady' then
  if j('state') == 'finishing' then redis.call('HSET', job, 'state', 'running') end
  redis.call('HSET', job, 'recheck', 1)
  changed()
  return 1
end
redis.call('HSET', job, 'state', A.state, 'manifestKey', A.manifestKey)
if A.failure then redis.call('HSET', job, 'failure', A.failure) end
changed()
redis.call('SREM', jobs, A.jobId)
for _, id in ipairs(redis.call('SMEMBERS', live)) do redis.call('ZREM', due, id) end
for i = 3, 13 do if i ~= 10 then redis.call('EXPIRE', KEYS[i], A.keepSeconds) end end
-- What can be redriven stays longer than what is only shown.
for _, key in ipairs({ letters, A.trouble.groups }) do redis.call('EXPIRE', key, A.keepTroubleSeconds) end
redis.call('EXPIRE', A.trouble.counted, A.keepSeconds)
redis.call('EXPIRE', A.rejectedChunks, A.keepSeconds)
return 1
`;

/** The next generation begins: receipts and their sums stay, everything else of the old one goes. */
const reopen = `
if redis.call('EXISTS', job) == 0 or int(j('generation')) >= A.generation then return 0 end
for _, id in ipairs(redis.call('SMEMBERS', live)) do
  redis.call('DEL', A.chunkPrefix .. id)
  redis.call('ZREM', due, id)
end
forgetDead()
redis.call('DEL', segments, dead, live, again)
for _, stage in ipairs(A.stages) do redis.call('HDEL', job, 'stage:' .. stage .. ':dead') end
redis.call('HDEL', job, 'planned', 'sealed', 'sealedSegments', 'cursorSegment', 'cursorOffset', 'paused', 'cancelled', 'recheck', 'endState', 'endCode',
  'endMessage', 'failure', 'manifestKey', 'segments', 'queued', 'running', 'retrying', 'flightBytes', 'deadChunks', 'letters', 'letterBytes', 'work', 'release', 'started')
for field, value in pairs(A.fields) do redis.call('HSET', job, field, value) end
for i = 3, 13 do if i ~= 10 then redis.call('PERSIST', KEYS[i]) end end
redis.call('PERSIST', A.trouble.groups)
redis.call('PERSIST', A.trouble.counted)
redis.call('PERSIST', A.rejectedChunks)
redis.call('SADD', jobs, A.jobId)
changed()
return 1
`;

/** Bits that a rebuild found by name, at most 1,000 a call. They only go from unset to set. */
const setOutcomes = `
if not ours() then return 0 end
local fresh = 0
for _, index in ipairs(A.committed) do
  if redis.call('SETBIT', done, index, 1) == 0 then fresh = fresh + 1 end
end
add('committed', fresh)
add('stage:' .. A.stage .. ':committed', fresh)
changed()
return 1
`;

/** Totals of the whole job as its plans say them; a rebuild knows them at once. */
const setTotals = `
if not ours() then return 0 end
redis.call('HSET', job, 'chunks', A.chunks, 'bytesPlanned', A.bytes)
for stage, chunks in pairs(A.stages) do redis.call('HSET', job, 'stage:' .. stage .. ':chunks', chunks) end
changed()
return 1
`;

/** Attempts of a chunk without outcome, as the journal's failure records count them. */
const restoreChunk = `
if not ours() or redis.call('EXISTS', chunk) == 1 then return 0 end
if redis.call('GETBIT', done, A.index) == 1 or redis.call('GETBIT', dead, A.index) == 1 then return 0 end
redis.call('HSET', chunk, 'kind', 'chunk', 'state', 'pending', 'generation', A.generation, 'number', j('base'), 'mode', A.mode,
  'segmentKey', A.segmentKey, 'segmentDigest', A.segmentDigest, 'bytes', A.bytes, 'changedAt', now())
for class, count in pairs(A.past) do redis.call('HSET', chunk, 'past:' .. class, count) end
if #A.crashedOn > 0 then redis.call('HSET', chunk, 'crashedOn', cjson.encode(A.crashedOn)) end
if A.last then redis.call('HSET', chunk, 'last', A.last) end
redis.call('SADD', live, A.chunkId)
redis.call('SADD', again, A.chunkId)
return 1
`;

const clearRecheck = `
if not ours() then return 0 end
redis.call('HDEL', job, 'recheck')
return 1
`;

/** Forgets a job whose ledger and journal have come apart; a rebuild follows at once. */
const dropJob = `
for _, id in ipairs(redis.call('SMEMBERS', live)) do
  redis.call('DEL', A.chunkPrefix .. id)
  redis.call('ZREM', due, id)
end
forgetDead()
for i = 3, 13 do if i ~= 10 then redis.call('DEL', KEYS[i]) end end
redis.call('DEL', A.rejectedChunks)
redis.call('SREM', jobs, A.jobId)
return 1
`;

/**
 * How many chunks of this generation may be begun; \`hold\`: no more than have been. \`started\` is what the journal knows of, after a rebuild.
 * Answers the limit that stands now, or -1 when there is none.
 */
const setRelease = `
if not ours() then return -1 end
if A.started then redis.call('HSET', job, 'started', math.max(int(j('started')), A.started)) end
if A.hold then redis.call('HSET', job, 'release', int(j('started')))
elseif A.release then redis.call('HSET', job, 'release', A.release)
else redis.call('HDEL', job, 'release') end
changed()
return releasable() and int(j('release')) or -1
`;

/** Dead letters and failures of a job that the ledger does not hold, from the journal; of one that it holds, only failures: the rest is told live. */
const indexTrouble = `
for _, note in ipairs(A.failures) do noteFailure(note, note.attemptId) end
local holds = redis.call('EXISTS', job) == 1
if not holds then
  for _, one in ipairs(A.letters) do
    if redis.call('HSETNX', letters, one.chunkId, one.letter) == 1 then
      countDead(one.note.fingerprint, 1)
      noteGroup(one.note)
    end
  end
  redis.call('EXPIRE', letters, A.keepTroubleSeconds)
  redis.call('EXPIRE', A.trouble.groups, A.keepTroubleSeconds)
  redis.call('EXPIRE', A.trouble.counted, A.keepSeconds)
end
if #A.failures > 0 or #A.letters > 0 then hasTrouble(A.who) end
return 1
`;

const bodies = {
  createJob,
  setReady,
  recordSegment,
  streamLook,
  streamRecord,
  sealPlan,
  sealStage,
  setState,
  setEnd,
  applyFlags,
  addWork,
  nextPlanned,
  progress,
  failAttempt,
  releaseAttempt,
  foundDead,
  setNextTry,
  retryNow,
  flagDying,
  markDead,
  closeWork,
  finishReported,
  reopen,
  setOutcomes,
  setTotals,
  restoreChunk,
  clearRecheck,
  dropJob,
  setRelease,
  indexTrouble,
};

const batches = { dispatch, openAttempt, markCommitted };

/** Those that take one chunk, or none, and those that take several of one job. */
export type SingleScript = keyof typeof bodies;
export type BatchScript = keyof typeof batches;
export type ScriptName = SingleScript | BatchScript;

const singles = Object.fromEntries(Object.entries(bodies).map(([name, body]) => [name, prelude + body])) as { readonly [Name in SingleScript]: string };

export const ledgerScripts: { readonly [Name in ScriptName]: string } = { ...singles, ...batches };
