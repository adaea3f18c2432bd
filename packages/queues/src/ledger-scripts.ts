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
  if note.counts then group.failures = group.failures + 1 end
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
-- The open attempt was given up without an end: kept until somebody has put its failure record.
local function closeAsLost()
  local attempt = cjson.decode(c('attempt'))
  attempt.bytesDone = int(c('bytesDone'))
  attempt.recordsDone = int(c('recordsDone'))
  attempt.chunkId = A.chunkId
  attempt.generation = A.generation
  redis.call('HSET', late, 'lost:' .. attempt.attemptId, cjson.encode(attempt))
  redis.call('HINCRBY', chunk, 'past:lost', 1)
  if c('kind') == 'chunk' then tally({ lost = 1 }) end
  return attempt
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
 * Chunks never dispatched, from the cursor on, at most \`limit\` of at most 1,000 looked at. The cursor passes what has an outcome or a key:
 * neither comes back without a key.
 */
const nextPlanned = `
if j('state') ~= 'running' or j('paused') == '1' or j('cancelled') == '1' or j('endState') or j('rebuilding') then return {} end
A.limit = math.min(A.limit, releasable() or A.limit)
local segment, offset = int(j('cursorSegment')), int(j('cursorOffset'))
local found, looked, moving = {}, 0, true
while looked < 1000 and #found < A.limit do
  local text = redis.call('HGET', segments, segment)
  if not text then break end
  local ref = cjson.decode(text)
  local skip, count = offset, 0
  for _, range in ipairs(ref.ranges) do
    for at = skip, range[2] - 1 do
      if looked >= 1000 or #found >= A.limit then break end
      looked = looked + 1
      local index = range[1] + at
      local free = redis.call('GETBIT', done, index) == 0 and redis.call('GETBIT', dead, index) == 0
        and redis.call('SISMEMBER', live, A.jobId .. '.' .. ref.stage .. '.' .. index) == 0
      if free then
        found[#found + 1] = { segment, index }
        moving = false
      end
      if moving then redis.call('HSET', job, 'cursorSegment', segment, 'cursorOffset', count + at + 1) end
    end
    count = count + range[2]
    skip = math.max(0, skip - range[2])
  end
  if looked >= 1000 or #found >= A.limit then break end
  segment, offset = segment + 1, 0
  if moving then redis.call('HSET', job, 'cursorSegment', segment, 'cursorOffset', 0) end
end
return found
`;

/**
 * Compare-and-set on the last dispatch number: nil when the chunk may not run now, else the number. Sent twice it answers the same, and two
 * schedulers get the same, so both add the same task. \`requeue\` = the entry of the last dispatch was lost.
 */
const dispatch = `
if not ours() or j('rebuilding') then return nil end
local state, held = j('state'), j('paused') == '1' or j('cancelled') == '1' or j('endState')
if A.kind == 'chunk' and (state ~= 'running' or held) then return nil end
if A.kind == 'plan' and (held or not (state == 'accepted' or state == 'planning' or state == 'running')) then return nil end
if A.kind == 'finish' and state ~= 'finishing' then return nil end
local number = c('number')
if not number then
  if A.kind ~= 'chunk' or A.number ~= 0 then return nil end
  if redis.call('GETBIT', done, A.index) == 1 or redis.call('GETBIT', dead, A.index) == 1 then return nil end
  if releasable() == 0 then return nil end
elseif c('state') == 'queued' and not A.requeue then
  local first = A.number == 0 and int(number) == int(j('base')) + 1
  if first or int(number) == A.number + 1 then return int(number) end
  return nil
elseif int(number) ~= A.number then
  return nil
end
local limit = int(j('maxConcurrency'))
if A.kind == 'chunk' and not A.requeue and limit > 0 and int(j('queued')) + int(j('running')) >= limit then return nil end
if not number then
  redis.call('HSET', chunk, 'kind', 'chunk', 'state', 'pending', 'generation', A.generation, 'number', j('base'), 'mode', 'normal',
    'segmentKey', A.segmentKey, 'segmentDigest', A.segmentDigest, 'bytes', A.bytes)
  redis.call('SADD', live, A.chunkId)
  add('started', 1)
  number = j('base')
elseif c('state') == 'pending' then
  redis.call('SREM', again, A.chunkId)
  if A.kind == 'chunk' then redis.call('HSET', chunk, 'segmentKey', A.segmentKey, 'segmentDigest', A.segmentDigest, 'bytes', A.bytes) end
elseif c('state') == 'retrying' then
  local at = int(redis.call('ZSCORE', due, A.chunkId))
  if at <= 0 or at > now() then return nil end
  redis.call('ZREM', due, A.chunkId)
elseif not (c('state') == 'queued' and A.requeue) then
  return nil
end
move('queued')
redis.call('HSET', chunk, 'number', int(number) + 1)
return int(number) + 1
`;

const openAttempt = `
local function refused(reason) return cjson.encode({ refused = reason }) end
if redis.call('EXISTS', job) == 0 then return refused('unknown-job') end
if j('rebuilding') then return refused('rebuilding') end
if not ours() then return refused('old-generation') end
if A.kind == 'chunk' and (redis.call('GETBIT', done, A.index) == 1 or redis.call('GETBIT', dead, A.index) == 1) then return refused('has-outcome') end
local state = c('state')
if not state then return refused(A.kind == 'chunk' and 'old-task' or 'has-outcome') end
if int(c('number')) ~= A.number or (state ~= 'queued' and state ~= 'running') then return refused('old-task') end
local function go(previous)
  local orders = { jobId = j('jobId'), tenant = j('tenant'), jobKey = j('jobKey'), specDigest = j('specDigest'), generation = A.generation,
    segmentKey = c('segmentKey'), segmentDigest = c('segmentDigest'), bytes = int(c('bytes')), mode = c('mode') }
  if previous then orders.previous = cjson.decode(previous) end
  if j('endState') then orders['end'] = { state = j('endState'), code = j('endCode'), message = j('endMessage') } end
  if A.kind == 'plan' then orders.letters = redis.call('HKEYS', letters) end
  return cjson.encode({ go = orders })
end
if state == 'running' and c('attemptId') == A.attempt.attemptId then return go(c('previous')) end
local reason
if A.kind ~= 'finish' then
  if j('cancelled') == '1' then reason = 'cancelled'
  elseif j('paused') == '1' then reason = 'paused'
  elseif j('endState') then reason = 'ended' end
end
local jobState = j('state')
if A.kind == 'chunk' and jobState ~= 'running' then reason = reason or 'ended' end
if A.kind == 'plan' and not (jobState == 'accepted' or jobState == 'planning' or jobState == 'running') then reason = reason or 'ended' end
if A.kind == 'finish' and jobState ~= 'finishing' then reason = 'ended' end
if int(j('resultVersion')) ~= A.resultVersion then reason = reason or 'result-version' end
local previous
if state == 'running' then previous = cjson.encode(closeAsLost()) end
if reason then
  backToPending()
  return refused(reason)
end
if int(c('past:crash')) + math.floor(int(c('past:lost')) / 3) >= 2 and A.kind == 'chunk' then redis.call('HSET', chunk, 'mode', 'bisect') end
if state == 'queued' then
  local waitedMs = math.max(0, now() - int(c('changedAt')))
  if A.kind == 'chunk' then tally({ ['w' .. math.floor(math.log(waitedMs + 1) / math.log(A.series.waitBase))] = 1 }) end
  move('running')
end
A.attempt.mode = c('mode')
redis.call('HSET', chunk, 'attemptId', A.attempt.attemptId, 'attempt', cjson.encode(A.attempt), 'bytesDone', 0, 'recordsDone', 0, 'changedAt', now())
redis.call('HDEL', chunk, 'previous')
if previous then redis.call('HSET', chunk, 'previous', previous) end
if A.kind == 'plan' and jobState == 'accepted' then
  redis.call('HSET', job, 'state', 'planning')
  changed()
end
return go(previous)
`;

const progress = `
local current = c('attemptId') == A.attemptId and c('generation') == j('generation')
if current then redis.call('HSET', chunk, 'bytesDone', A.bytesDone, 'recordsDone', A.recordsDone, 'changedAt', now()) end
local cancelled = (j('cancelled') == '1' or j('endState')) and A.kind ~= 'finish'
return { current and 1 or 0, cancelled and 1 or 0, j('paused') == '1' and 1 or 0 }
`;

/** A commit outranks all: also a dead bit, and a generation that has moved on. Sums are added once, when the receipt's figures are known. */
const markCommitted = `
if redis.call('EXISTS', job) == 0 or int(j('generation')) < A.generation then return 0 end
-- A map chunk commits once; a reduce chunk may run again for other inputs, and then a late mark of the old receipt counts no more.
local isReduce = string.find(',' .. (j('stages') or '') .. ',', ',' .. A.stage .. ':reduce,', 1, true)
if isReduce and not ours() then return 0 end
local isNew = redis.call('SETBIT', done, A.index, 1) == 0
if isNew then
  add('committed', 1)
  add('stage:' .. A.stage .. ':committed', 1)
  if redis.call('SETBIT', dead, A.index, 0) == 1 then
    add('deadChunks', -1)
    add('stage:' .. A.stage .. ':dead', -1)
  end
  local letter = redis.call('HGET', letters, A.chunkId)
  if letter then
    local known = cjson.decode(letter)
    redis.call('HDEL', letters, A.chunkId)
    add('letters', -1)
    add('letterBytes', -int(known.bytes))
    countDead(known.fingerprint, -1)
  end
  changed()
end
dropChunk()
-- What a rebuild finds by name happened some other time.
if isNew then
  local what = { committed = 1 }
  if A.sums then
    local totals = A.sums.totals
    what.bytesIn, what.bytesOut = totals.bytesIn, totals.bytesOut
    if not isReduce then
      what.emitted, what.filtered, what.deduplicated, what.rejected = totals.emitted, totals.filtered, totals.deduplicated, totals.rejected
    end
  end
  tally(what)
end
if A.sums and redis.call('SETBIT', counted, A.index, 1) == 0 then
  add('counted', 1)
  for name, by in pairs(A.sums.totals) do add('sum:' .. A.stage .. ':' .. name, by) end
  for field, by in pairs(A.sums.rejects) do redis.call('HINCRBY', rejects, field, by) end
  -- For those who look at the job: which of its chunks have rejects. Of chunks beyond the 20,000th only that there are some.
  if A.sums.totals.rejected > 0 then
    if redis.call('HLEN', A.rejectedChunks) < 20000 then redis.call('HSET', A.rejectedChunks, A.index, A.sums.totals.rejected)
    else redis.call('HINCRBY', A.rejectedChunks, 'beyond', 1) end
  end
  changed()
end
return 1
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
for _, index in ipairs(A.committed) do
  if redis.call('SETBIT', done, index, 1) == 0 then
    add('committed', 1)
    add('stage:' .. A.stage .. ':committed', 1)
  end
end
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
  dispatch,
  openAttempt,
  progress,
  markCommitted,
  failAttempt,
  releaseAttempt,
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

export type ScriptName = keyof typeof bodies;

export const ledgerScripts: { readonly [Name in ScriptName]: string } = Object.fromEntries(
  Object.entries(bodies).map(([name, body]) => [name, prelude + body]),
) as { readonly [Name in ScriptName]: string };
