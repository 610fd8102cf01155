-- Puts a result in the place of a lease. KEYS: what is leased. ARGV: token, result, ttl in ms or 0 to keep what is left.
-- Answers 1, or 0 where it is not held with this token. A result that is there already with this token stays, and is
-- written again: whoever repeats this wants to know that replicas have it, and WAIT tells of writes only.
local text, problem = read(KEYS[1])
if problem then return problem end
if not text then return 0 end
local word, token = string.match(text, '^failsoft([:=])(%d+):')
if token ~= ARGV[1] then return 0 end
if word == ':' then text = 'failsoft=' .. token .. ':' .. ARGV[2] end
local ttl = tonumber(ARGV[3])
local left = redis.call('PTTL', KEYS[1])
local stored
if ttl == 0 and left == -1 then
  -- Somebody has made it last: a result that ended at once would be had again.
  stored = redis.pcall('SET', KEYS[1], text)
else
  if ttl == 0 then ttl = math.max(1, left) end
  stored = redis.pcall('SET', KEYS[1], text, 'PX', string.format('%.0f', ttl))
end
if stored.err then return stored end
return 1
