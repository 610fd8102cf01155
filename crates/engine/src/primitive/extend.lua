-- Lets a lease last for another while from here on. KEYS: what is leased, its fence. ARGV: token, ttl in ms, how long a
-- token is remembered in ms. Answers 1, or 0 where the lease is not held with this token.
local text, problem = read(KEYS[1])
if problem then return problem end
if not text or string.match(text, '^failsoft:(%d+):') ~= ARGV[1] then return 0 end
local before, unreadable = last(KEYS[2])
if unreadable then return unreadable end
local refused = remember(KEYS[2], before, tonumber(ARGV[1]), ARGV[2] + ARGV[3])
if refused then return refused end
redis.call('SET', KEYS[1], text, 'PX', ARGV[2])
return 1
