/**
 * The scripts that every chunk goes through: dispatch, open, mark. Each takes several chunks of one job, reads the job once, and writes each of its
 * counters once; what one chunk costs Redis is then a handful of commands and not fifty. They decide for each chunk as if it had come alone, in order.
 *
 * KEYS: those of `Keys.job`, then one for each of `A.items`, in their order. ARGV as in `ledger-scripts.ts`. Each answers a list, one entry a chunk.
 */

/** What is added to counters of the job is kept in `plus`, and `settle` writes it. */
const head = `
local call = redis.call
local sentinel, jobs, job, segments, done, counted, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local live, again, due, rejects, letters, late = KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13]
if call('HGET', sentinel, 'epoch') ~= ARGV[1] then return redis.error_reply('EPOCH is another one') end
local A = cjson.decode(ARGV[2])
local time = call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local function int(text) return tonumber(text or '0') or 0 end
local function jobFields(...)
  local values, found = call('HMGET', job, ...), {}
  for i, name in ipairs({ ... }) do found[name] = values[i] end
  return found
end
local plus = {}
local function add(field, by) plus[field] = (plus[field] or 0) + by end
local function settle()
  local names = {}
  for field, by in pairs(plus) do if by ~= 0 then names[#names + 1] = field end end
  if #names == 0 then return end
  local values, pairsOf = call('HMGET', job, unpack(names)), {}
  for i, field in ipairs(names) do
    pairsOf[2 * i - 1] = field
    pairsOf[2 * i] = string.format('%.0f', int(values[i]) + plus[field])
  end
  call('HSET', job, unpack(pairsOf))
end
`;

/** What happened, added to the steps of time that charts are made of. They go by themselves. */
const series = `
local happened = {}
local function note(name, by) happened[name] = (happened[name] or 0) + by end
local function tally(tenant)
  if not tenant or not next(happened) then return end
  for _, kind in ipairs(A.series.kinds) do
    local key = A.series.prefix .. tenant .. ':' .. kind.name .. ':' .. string.format('%d', math.floor(nowMs / kind.stepMs))
    for name, by in pairs(happened) do if by ~= 0 then call('HINCRBY', key, name, string.format('%.0f', by)) end end
    call('EXPIRE', key, kind.keepSeconds)
  end
  call('SADD', A.series.tenants, tenant)
end
`;

/** What a command does to several chunks at once. */
const lists = `
local function all(command, key, ids) if #ids > 0 then call(command, key, unpack(ids)) end end
`;

/**
 * Compare-and-set on the last dispatch number: nil when the chunk may not run now, else the number. Sent twice it answers the same, and two
 * schedulers get the same, so both add the same task. \`requeue\` = the entry of the last dispatch was lost.
 */
export const dispatch = `${head}${lists}
local J = jobFields('generation', 'rebuilding', 'state', 'paused', 'cancelled', 'endState', 'base', 'release', 'started', 'maxConcurrency', 'queued', 'running')
local state, held = J.state, J.paused == '1' or J.cancelled == '1' or J.endState
-- Chunks of this generation that may still be begun; nil when nothing holds them back.
local room = nil
if J.release and J.release ~= '' then room = math.max(0, int(J.release) - int(J.started)) end
local limit, inFlight = int(J.maxConcurrency), int(J.queued) + int(J.running)
local joined, taken, ended = {}, {}, {}
local function begin(one, chunk)
  if one.number ~= 0 or room == 0 then return false end
  if call('GETBIT', done, one.index) == 1 or call('GETBIT', dead, one.index) == 1 then return false end
  local number = int(J.base) + 1
  call('HSET', chunk, 'kind', 'chunk', 'state', 'queued', 'generation', one.generation, 'number', number, 'mode', 'normal',
    'segmentKey', one.segmentKey, 'segmentDigest', one.segmentDigest, 'bytes', one.bytes, 'changedAt', nowMs)
  joined[#joined + 1] = one.id
  if room then room = room - 1 end
  add('started', 1)
  add('queued', 1)
  add('flightBytes', one.bytes)
  return number
end
local function anew(one, chunk, was, number, bytes)
  if was == 'pending' then
    taken[#taken + 1] = one.id
    if one.kind == 'chunk' then
      bytes = one.bytes
      call('HSET', chunk, 'segmentKey', one.segmentKey, 'segmentDigest', one.segmentDigest, 'bytes', bytes)
    end
  elseif was == 'retrying' then
    local at = int(call('ZSCORE', due, one.id))
    if at <= 0 or at > nowMs then return false end
    ended[#ended + 1] = one.id
    if one.kind == 'chunk' then add('retrying', -1) end
  elseif was ~= 'queued' or not one.requeue then
    return false
  end
  if one.kind == 'chunk' and was ~= 'queued' then
    add('queued', 1)
    add('flightBytes', int(bytes))
  end
  call('HSET', chunk, 'state', 'queued', 'changedAt', nowMs, 'number', number + 1)
  return number + 1
end
local function numberOf(one, chunk)
  if int(J.generation) ~= one.generation or J.rebuilding then return false end
  if one.kind == 'chunk' and (state ~= 'running' or held) then return false end
  if one.kind == 'plan' and (held or not (state == 'accepted' or state == 'planning' or state == 'running')) then return false end
  if one.kind == 'finish' and state ~= 'finishing' then return false end
  local C = call('HMGET', chunk, 'number', 'state', 'bytes')
  local known, was = C[1], C[2]
  if not known and one.kind ~= 'chunk' then return false end
  if was == 'queued' and not one.requeue then
    local isFirst = one.number == 0 and int(known) == int(J.base) + 1
    return (isFirst or int(known) == one.number + 1) and int(known)
  end
  if known and int(known) ~= one.number then return false end
  local isFull = one.kind == 'chunk' and not one.requeue and limit > 0 and inFlight >= limit
  if isFull then return false end
  local number
  if known then number = anew(one, chunk, was, int(known), C[3]) else number = begin(one, chunk) end
  if number then
    if was ~= 'queued' then inFlight = inFlight + 1 end
    add('revision', 1)
  end
  return number
end
local answers = {}
for i, one in ipairs(A.items) do answers[i] = numberOf(one, KEYS[13 + i]) end
all('SADD', live, joined)
all('SREM', again, taken)
all('ZREM', due, ended)
settle()
return answers
`;

/** How often a chunk is left to hosts that have not tried it, and how long it then waits, twice as long each time: some 13 minutes in all. */
const leaving = { most: 100, baseMs: 250, maxMs: 8_000 } as const;

/** Answers one JSON text: what is the same for all chunks of the job, and \`answers\`. */
export const openAttempt = `${head}${series}
local J = jobFields('jobId', 'generation', 'rebuilding', 'state', 'paused', 'cancelled', 'endState', 'endCode', 'endMessage', 'resultVersion', 'tenant', 'jobKey', 'specDigest')
local state = J.state
local function count(field, one, by) if one.kind == 'chunk' then add(field, by) end end
local function mayNotRun(one)
  if one.kind ~= 'finish' then
    if J.cancelled == '1' then return 'cancelled' end
    if J.paused == '1' then return 'paused' end
    if J.endState then return 'ended' end
  end
  if one.kind == 'chunk' and state ~= 'running' then return 'ended' end
  if one.kind == 'plan' and not (state == 'accepted' or state == 'planning' or state == 'running') then return 'ended' end
  if one.kind == 'finish' and state ~= 'finishing' then return 'ended' end
  if int(J.resultVersion) ~= one.resultVersion then return 'result-version' end
end
-- The open attempt was given up without an end: kept until somebody has put its failure record.
local function closeAsLost(one, chunk, C)
  local attempt = cjson.decode(C.attempt)
  attempt.mode = C.mode
  attempt.bytesDone = int(C.bytesDone)
  attempt.recordsDone = int(C.recordsDone)
  attempt.chunkId = one.id
  attempt.generation = one.generation
  call('HSET', late, 'lost:' .. attempt.attemptId, cjson.encode(attempt))
  call('HINCRBY', chunk, 'past:lost', 1)
  if one.kind == 'chunk' then note('lost', 1) end
  return cjson.encode(attempt)
end
local function backToPending(one, chunk, was)
  count(was, one, -1)
  if one.kind == 'chunk' then add('flightBytes', -int(call('HGET', chunk, 'bytes'))) end
  call('HSET', chunk, 'state', 'pending', 'changedAt', nowMs)
  call('HDEL', chunk, 'attemptId', 'attempt', 'previous', 'bytesDone', 'recordsDone')
  call('SADD', again, one.id)
  add('revision', 1)
end
-- A chunk that killed a core of this host is for one whose cores it has not killed, so often that a host with much in hand comes to it.
local function isForOthers(one, C)
  if not one.others or #one.others == 0 or int(C.left) >= ${leaving.most} then return false end
  local tried = {}
  for _, worker in ipairs(cjson.decode(C.crashedOn or '[]')) do tried[worker] = true end
  for _, worker in ipairs(one.others) do if not tried[worker] then return true end end
  return false
end
local function leaveToOthers(one, chunk, C)
  local left = int(C.left)
  count('queued', one, -1)
  count('retrying', one, 1)
  add('flightBytes', -int(C.bytes))
  call('HSET', chunk, 'state', 'retrying', 'left', left + 1, 'changedAt', nowMs)
  call('ZADD', due, nowMs + math.min(${leaving.maxMs}, ${leaving.baseMs} * 2 ^ math.min(left, 20)), one.id)
  add('revision', 1)
end
local names = { 'state', 'number', 'attemptId', 'mode', 'segmentKey', 'segmentDigest', 'bytes', 'previous', 'past:crash', 'past:lost', 'changedAt', 'crashedOn', 'left' }
local function open(one, chunk)
  if one.epoch ~= ARGV[1] then return { refused = 'old-task' } end
  if not J.generation then return { refused = 'unknown-job' } end
  if J.rebuilding then return { refused = 'rebuilding' } end
  if int(J.generation) ~= one.generation then return { refused = 'old-generation' } end
  if one.kind == 'chunk' and (call('GETBIT', done, one.index) == 1 or call('GETBIT', dead, one.index) == 1) then return { refused = 'has-outcome' } end
  local C = {}
  for i, value in ipairs(call('HMGET', chunk, unpack(names))) do C[names[i]] = value end
  if not C.state then return { refused = one.kind == 'chunk' and 'old-task' or 'has-outcome' } end
  if int(C.number) ~= one.number or (C.state ~= 'queued' and C.state ~= 'running') then return { refused = 'old-task' } end
  local function go(previous)
    return { segmentKey = C.segmentKey, segmentDigest = C.segmentDigest, bytes = int(C.bytes), mode = C.mode, previous = previous and cjson.decode(previous) or nil }
  end
  if C.state == 'running' and C.attemptId == one.attemptId then return go(C.previous) end
  local reason, previous = mayNotRun(one), nil
  if C.state == 'running' then
    local open = call('HMGET', chunk, 'attempt', 'bytesDone', 'recordsDone')
    previous = closeAsLost(one, chunk, { attempt = open[1], bytesDone = open[2], recordsDone = open[3], mode = C.mode })
    C['past:lost'] = int(C['past:lost']) + 1
  end
  if reason then
    backToPending(one, chunk, C.state)
    return { refused = reason }
  end
  if C.state == 'queued' and isForOthers(one, C) then
    leaveToOthers(one, chunk, C)
    return { refused = 'crashed-here' }
  end
  if one.kind == 'chunk' and int(C['past:crash']) + math.floor(int(C['past:lost']) / 3) >= 2 then C.mode = 'bisect' end
  if C.state == 'queued' then
    local waitedMs = math.max(0, nowMs - int(C.changedAt))
    if one.kind == 'chunk' then note('w' .. math.floor(math.log(waitedMs + 1) / math.log(A.series.waitBase)), 1) end
    count('queued', one, -1)
    count('running', one, 1)
    add('revision', 1)
  end
  call('HSET', chunk, 'state', 'running', 'mode', C.mode, 'attemptId', one.attemptId, 'attempt', one.attempt, 'bytesDone', 0, 'recordsDone', 0, 'changedAt', nowMs)
  if previous then call('HSET', chunk, 'previous', previous) elseif C.previous then call('HDEL', chunk, 'previous') end
  if one.kind == 'plan' and state == 'accepted' then
    state = 'planning'
    call('HSET', job, 'state', state)
    add('revision', 1)
  end
  return go(previous)
end
local answer = { answers = {}, jobId = J.jobId, tenant = J.tenant, jobKey = J.jobKey, specDigest = J.specDigest }
for i, one in ipairs(A.items) do
  answer.answers[i] = open(one, KEYS[13 + i])
  if one.kind == 'plan' then answer.letters = call('HKEYS', letters) end
end
if J.endState then answer['end'] = { state = J.endState, code = J.endCode, message = J.endMessage } end
settle()
tally(J.tenant)
return cjson.encode(answer)
`;

/** A commit outranks all: also a dead bit, and a generation that has moved on. Sums are added once, when the receipt's figures are known. */
export const markCommitted = `${head}${series}${lists}
local J = jobFields('generation', 'stages', 'deadChunks', 'tenant')
local hasLetters = call('EXISTS', letters) == 1
local ids, gone, isGone, counts = {}, {}, {}, {}
local function revive(one)
  if int(J.deadChunks) > 0 and call('SETBIT', dead, one.index, 0) == 1 then
    add('deadChunks', -1)
    add('stage:' .. one.stage .. ':dead', -1)
  end
  local letter = hasLetters and call('HGET', letters, one.id)
  if not letter then return end
  local known = cjson.decode(letter)
  call('HDEL', letters, one.id)
  add('letters', -1)
  add('letterBytes', -int(known.bytes))
  if known.fingerprint and known.fingerprint ~= cjson.null then call('HINCRBY', A.trouble.groups, 'dead:' .. known.fingerprint, -1) end
end
-- Keys go at the end, all at once.
local function drop(one, chunk)
  if isGone[one.id] then return end
  isGone[one.id] = true
  local C = call('HMGET', chunk, 'state', 'bytes')
  local was = C[1]
  if not was then return end
  if was ~= 'pending' then add(was, -1) end
  if was == 'queued' or was == 'running' then add('flightBytes', -int(C[2])) end
  ids[#ids + 1] = one.id
  gone[#gone + 1] = chunk
  add('revision', 1)
end
-- For those who look at the job: which of its chunks have rejects. Of chunks beyond the 20,000th only that there are some.
local function noteRejects(one)
  local rejected = one.sums.totals.rejected
  if rejected <= 0 then return end
  if call('HLEN', A.rejectedChunks) < 20000 then call('HSET', A.rejectedChunks, one.index, rejected)
  else call('HINCRBY', A.rejectedChunks, 'beyond', 1) end
end
local fates = { 'bytesIn', 'bytesOut', 'emitted', 'filtered', 'deduplicated', 'rejected' }
local function mark(one, chunk)
  if not J.generation or int(J.generation) < one.generation then return 0 end
  -- A map chunk commits once; a reduce chunk may run again for other inputs, and then a late mark of the old receipt counts no more.
  local isReduce = string.find(',' .. (J.stages or '') .. ',', ',' .. one.stage .. ':reduce,', 1, true)
  if isReduce and int(J.generation) ~= one.generation then return 0 end
  -- What a rebuild finds by name happened some other time.
  if call('SETBIT', done, one.index, 1) == 0 then
    add('committed', 1)
    add('stage:' .. one.stage .. ':committed', 1)
    revive(one)
    add('revision', 1)
    note('committed', 1)
    for _, name in ipairs(isReduce and { 'bytesIn', 'bytesOut' } or fates) do note(name, one.sums and one.sums.totals[name] or 0) end
  end
  drop(one, chunk)
  if one.sums and call('SETBIT', counted, one.index, 1) == 0 then
    add('counted', 1)
    for name, by in pairs(one.sums.totals) do add('sum:' .. one.stage .. ':' .. name, by) end
    for field, by in pairs(one.sums.rejects) do counts[field] = (counts[field] or 0) + by end
    noteRejects(one)
    add('revision', 1)
  end
  return 1
end
local answers = {}
for i, one in ipairs(A.items) do answers[i] = mark(one, KEYS[13 + i]) end
all('SREM', live, ids)
all('SREM', again, ids)
all('ZREM', due, ids)
if #gone > 0 then call('DEL', unpack(gone)) end
for field, by in pairs(counts) do if by ~= 0 then call('HINCRBY', rejects, field, string.format('%.0f', by)) end end
settle()
tally(J.tenant)
return answers
`;
