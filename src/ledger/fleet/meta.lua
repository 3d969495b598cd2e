-- What the ledger is: made if it is not there and may be made.
-- KEYS meta   ARGV id ('' to make nothing), version, generation, check   Reply id, version, generation, check, from
if ARGV[1] ~= '' and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'version', ARGV[2], 'generation', ARGV[3], 'check', ARGV[4])
end
return redis.call('HMGET', KEYS[1], 'id', 'version', 'generation', 'check', 'from')
