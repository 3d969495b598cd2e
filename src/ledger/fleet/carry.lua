-- Gives people the digest of a later generation, with the day they have.
-- KEYS people   ARGV the old and the new member of each
for at = 1, #ARGV, 2 do
  local day = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if day then
    redis.call('ZADD', KEYS[1], 'GT', day, ARGV[at + 1])
    redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
