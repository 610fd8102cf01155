-- What every script about leases begins with: a lease is `failsoft:TOKEN:NONCE`, a result `failsoft=TOKEN:RESULT`, and
-- beside each stands its fence, the token that was given last.

-- The text of a key, false where there is none, and the error of Redis where there is something else.
local function read(key)
  local text = redis.pcall('GET', key)
  if type(text) == 'table' then return nil, text end
  return text
end

-- Notes that `token` has been given, or a greater one, for `kept` milliseconds after that token's own time.
local function remember(key, before, token, kept)
  local time = redis.call('TIME')
  local greatest = math.max(before, token)
  local ahead = math.max(0, math.ceil(greatest / 1000) - time[1] * 1000)
  local noted = redis.pcall('SET', key, string.format('%.0f', greatest), 'PX', string.format('%.0f', kept + ahead))
  return noted.err and noted or nil
end

-- The token that was given last, 0 where none is remembered.
local function last(key)
  local text, problem = read(key)
  if problem then return nil, problem end
  if not text then return 0 end
  if not string.match(text, '^%d+$') or #text > 16 then
    return nil, redis.error_reply('ERR the fence of this key holds something else than a token')
  end
  return tonumber(text)
end
