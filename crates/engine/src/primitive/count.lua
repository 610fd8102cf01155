-- Tells Redis what was counted under a key while it was away.
--
-- KEYS[1]  the counter
-- ARGV     1 if what is there goes first (it was written over, or deleted), else 0; what is written if nothing is there,
--          or nothing; what is counted on; when it ends, in milliseconds, or 0 for never, or nothing where nobody has said
-- Replies  what it is then
--
-- A time to live that is there already stays: it is that of the window which others count in.

if ARGV[1] == '1' then
  redis.call('DEL', KEYS[1])
end
local begun = redis.call('EXISTS', KEYS[1]) == 0
if begun and ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[2])
end
local value = 0
if ARGV[3] ~= '0' then
  value = redis.call('INCRBY', KEYS[1], ARGV[3])
end
if begun and ARGV[4] ~= '' and ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return value
