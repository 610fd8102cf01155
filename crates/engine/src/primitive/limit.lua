-- Decides a request under a rate limit: the generic cell rate algorithm, exactly as failsoft-core's `limit` does.
--
-- KEYS[1]  the bucket: when all that has passed will have been due, in microseconds of the server's clock, and, where
--          that is not whole, `+part/rate`
-- ARGV     rate, period in microseconds, burst, cost, debt (what has passed while Redis was away)
-- Replies  allowed, remaining, reset and retry in microseconds, the server's time in microseconds
--
-- All numbers are whole and below 2^53, where doubles are exact. A bucket that lies further ahead than the limit can
-- bring (the clock was set back, the limit was lowered) is taken for a full one, and written down so: it would
-- otherwise be a full one again at every call, for as long as the clock was set back.

local rate, period, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local cost, debt = tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local whole, rest = math.floor(period / rate), period % rate

local function span(count)
  local parts = count * rest
  return count * whole + math.floor(parts / rate), parts % rate
end

local function add(at, part, count)
  local more, parts = span(count)
  if part + parts >= rate then
    return at + more + 1, part + parts - rate
  end
  return at + more, part + parts
end

local function later(at, part, than, than_part)
  return at > than or (at == than and part > than_part)
end

local function ceil(at, part)
  if part > 0 then
    return at + 1
  end
  return at
end

local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'table' and kept.err then
  return kept
end
local due, part = now, 0
if kept then
  local at, parts, of = string.match(kept, '^(%d+)%+(%d+)/(%d+)$')
  at = tonumber(at or string.match(kept, '^(%d+)$'))
  parts, of = tonumber(parts) or 0, tonumber(of)
  if not at then
    return redis.error_reply('ERR the key holds something other than the bucket of a rate limit')
  end
  if of and of ~= rate then
    at, parts = at + 1, 0
  end
  if later(at, parts, now, 0) then
    due, part = at, parts
  end
end

local top, top_part = add(now, 0, burst)
local changed = debt > 0
if later(due, part, top, top_part) then
  due, part, changed = top, top_part, true
end
due, part = add(due, part, debt)
if later(due, part, top, top_part) then
  due, part = top, top_part
end

local function less(at, part, than, than_part)
  if part < than_part then
    return at - than - 1, part + rate - than_part
  end
  return at - than, part - than_part
end

local after, after_part = add(due, part, cost)
local allowed = not later(after, after_part, top, top_part)
local retry = 0
if allowed then
  due, part, changed = after, after_part, true
else
  retry = ceil(less(after, after_part, top, top_part))
end

local left, left_part = less(top, top_part, due, part)
local function fits(count)
  local at, parts = span(count)
  return not later(at, parts, left, left_part)
end
-- The product may be too great to be exact: it is a first guess.
local remaining = math.floor(left * rate / period)
while not fits(remaining) do
  remaining = remaining - 1
end
while fits(remaining + 1) do
  remaining = remaining + 1
end

local reset = ceil(due - now, part)
if changed then
  local bucket = string.format('%.0f', due)
  if part > 0 then
    bucket = string.format('%.0f+%.0f/%.0f', due, part, rate)
  end
  local written = redis.pcall('SET', KEYS[1], bucket, 'PX', math.ceil(reset / 1000))
  if written.err then
    return written
  end
end
return { allowed and 1 or 0, remaining, reset, retry, now }
