-- Leaves a sign of life and counts those of the fleet.
--
-- KEYS[1]  a sorted set: who, by when they were last heard of, in milliseconds of the server's clock
-- ARGV     who, and for how many milliseconds a sign of life lasts
-- Replies  how many there are
--
-- A sign of life that lies ahead of the clock was left before the clock was set back, and would last too long: it goes, and
-- whoever left it leaves another at the next beat.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
