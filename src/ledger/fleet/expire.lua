-- Takes out people last seen before a day, and the arrivals of days before it; a slice, so that others get their turn.
-- A counter nobody is left in goes too.
-- KEYS people, arrivals, beyond, counters   ARGV day, most, name   Reply how many are left to take out
local gone = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
local slice = math.min(gone, tonumber(ARGV[2]))
if slice > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, slice - 1) end
for _, day in ipairs(redis.call('HKEYS', KEYS[2])) do
  if tonumber(day) < tonumber(ARGV[1]) then redis.call('HDEL', KEYS[2], day) end
end
if redis.call('EXISTS', KEYS[1], KEYS[3]) == 0 then
  redis.call('HDEL', KEYS[4], ARGV[3])
  redis.call('DEL', KEYS[2])
end
return gone - slice
