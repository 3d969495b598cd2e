-- Adds the people of one transfer to its counters if every count, with them included, lies where the gateway takes it to
-- lie; else adds nobody. Says what the counters show either way. One run is atomic, so what was true is still true when
-- the people are in.
--
-- KEYS  meta, counters, then for each counter: people, arrivals, beyond, and the sketch of each month named
-- ARGV  ledger, generation, generation carried from ('' if none), '0' to ask, '1' to add, '2' to add and write in any case,
--       number of counters, then for each:
--       name, since, day, lowest, highest, most noted one by one, floor while estimated, number of months, the months,
--       members, the same members of the generation carried from ('' if none)
-- Reply {0|1 added, then before and adding of each} | {2} another generation |
--       {3} not this ledger | {4, counter, months whose sketches are needed...}

local WIDTH, SLICE = 17, 1000
-- One standard error, as a share of an estimate.
local ERROR = 0.008125

local meta = redis.call('HMGET', KEYS[1], 'id', 'generation', 'from')
if meta[1] ~= ARGV[1] then return {3} end
if meta[2] ~= ARGV[2] or (meta[3] or '') ~= ARGV[3] then return {2} end

local function members(blob, first, last)
  local slice = {}
  for at = first, last do slice[#slice + 1] = string.sub(blob, (at - 1) * WIDTH + 1, at * WIDTH) end
  return slice
end

-- The last day of each person of a blob; false for strangers.
local function days(key, blob)
  local found, count = {}, #blob / WIDTH
  for first = 1, count, SLICE do
    local scores = redis.call('ZMSCORE', key, unpack(members(blob, first, math.min(first + SLICE - 1, count))))
    for at, score in ipairs(scores) do found[first + at - 1] = score and tonumber(score) end
  end
  return found
end

local plans, reply, fits = {}, {1}, true
local key, arg = 3, 6
for index = 1, tonumber(ARGV[5]) do
  local plan = {
    people = KEYS[key], arrivals = KEYS[key + 1], beyond = KEYS[key + 2], name = ARGV[arg],
    since = tonumber(ARGV[arg + 1]), day = tonumber(ARGV[arg + 2]), most = tonumber(ARGV[arg + 5]),
  }
  local lowest, highest, floor = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4]), tonumber(ARGV[arg + 6])
  local months, named = tonumber(ARGV[arg + 7]), {}
  key, arg = key + 3, arg + 8
  for at = 1, months do
    named[ARGV[arg]] = KEYS[key]
    if at == 1 then plan.month, plan.sketch = ARGV[arg], KEYS[key] end
    key, arg = key + 1, arg + 1
  end
  plan.members, plan.olds = ARGV[arg], ARGV[arg + 1]
  arg = arg + 2

  plan.noted = redis.call('ZCOUNT', plan.people, plan.since, '+inf')
  plan.last = 0
  local sketches, needed = {}, {4, index}
  local beyond = redis.call('HGETALL', plan.beyond)
  for at = 1, #beyond, 2 do
    local last = tonumber(beyond[at + 1])
    plan.last = math.max(plan.last, last)
    if last >= plan.since then
      needed[#needed + 1] = tonumber(beyond[at])
      sketches[#sketches + 1] = named[beyond[at]]
    end
  end
  if #sketches < #needed - 2 then return needed end
  local before = plan.noted
  if #sketches > 0 then
    local estimate = redis.call('PFCOUNT', unpack(sketches))
    before = math.max(before + math.ceil(estimate * (1 + 3 * ERROR)), floor)
  end

  plan.days = days(plan.people, plan.members)
  plan.old_days = plan.olds ~= '' and days(plan.people, plan.olds) or {}
  plan.adding = 0
  for at = 1, #plan.members / WIDTH do
    local day = math.max(plan.days[at] or -1, plan.old_days[at] or -1)
    if day < plan.since then plan.adding = plan.adding + 1 end
  end
  local after = before + plan.adding
  fits = fits and lowest <= after and after <= highest
  reply[#reply + 1], reply[#reply + 2] = before, plan.adding
  plans[index] = plan
end

if not fits then reply[1] = 0 end
if not fits or ARGV[4] == '0' then return reply end
if ARGV[4] == '2' then redis.call('HINCRBY', KEYS[1], 'waited', 1) end

for _, plan in ipairs(plans) do
  -- A clock that is behind puts nobody into a window that has ended.
  local latest = redis.call('ZRANGE', plan.people, -1, -1, 'WITHSCORES')
  local day = math.max(plan.day, latest[2] and tonumber(latest[2]) or 0, plan.last)
  local room = plan.most - plan.noted
  local adds, leaves, strangers = {}, {}, {}
  for at = 1, #plan.members / WIDTH do
    local member, known, old = nil, plan.days[at], plan.old_days[at]
    if (known or -1) < day or old then member = members(plan.members, at, at)[1] end
    if old then leaves[#leaves + 1] = members(plan.olds, at, at)[1] end
    if not known and not old and room <= 0 then
      strangers[#strangers + 1] = member
    elseif member then
      adds[#adds + 1] = day
      adds[#adds + 1] = member
      if math.max(known or -1, old or -1) < plan.since then room = room - 1 end
    end
  end
  for first = 1, #adds, 2 * SLICE do
    redis.call('ZADD', plan.people, 'GT', unpack(adds, first, math.min(first + 2 * SLICE - 1, #adds)))
  end
  for first = 1, #leaves, SLICE do
    redis.call('ZREM', plan.people, unpack(leaves, first, math.min(first + SLICE - 1, #leaves)))
  end
  for first = 1, #strangers, SLICE do
    redis.call('PFADD', plan.sketch, unpack(strangers, first, math.min(first + SLICE - 1, #strangers)))
  end
  if #strangers > 0 and day > tonumber(redis.call('HGET', plan.beyond, plan.month) or -1) then
    redis.call('HSET', plan.beyond, plan.month, day)
  end
  if plan.adding > 0 then redis.call('HINCRBY', plan.arrivals, day, plan.adding) end
  if #adds + #strangers > 0 then
    if redis.call('HGET', KEYS[2], plan.name) ~= tostring(plan.since) then
      redis.call('HSET', KEYS[2], plan.name, plan.since)
    end
  end
end
return reply
