-- Moves the ledger on to a later generation of the key, unless somebody else has; from here on people of both are one.
-- KEYS meta   ARGV id, generation so far, generation, check   Reply 1 if it was moved
local meta = redis.call('HMGET', KEYS[1], 'id', 'generation', 'from')
if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] or meta[3] then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[3], 'check', ARGV[4], 'from', ARGV[2])
return 1
