-- Grants a lease. KEYS: what is leased, its fence. ARGV: ttl in ms, nonce, the greatest token seen, how long a token is
-- remembered in ms. Answers {'granted', token}, {'again', token} where the nonce holds it already, {'held', ms left},
-- or {'done', result}. The fence is written first: it is the write that Redis may refuse.
local text, problem = read(KEYS[1])
if problem then return problem end
local before, unreadable = last(KEYS[2])
if unreadable then return unreadable end
local word, token = 'granted', nil
if text then
  local old, first = string.match(text, '^failsoft:(%d+):()')
  if old and string.sub(text, first) == ARGV[2] then
    word, token = 'again', tonumber(old)
  else
    first = string.match(text, '^failsoft=%d+:()')
    if first then return {'done', string.sub(text, first)} end
    return {'held', redis.call('PTTL', KEYS[1])}
  end
else
  local time = redis.call('TIME')
  token = math.max(time[1] * 1000000 + time[2], before + 1, tonumber(ARGV[3]) + 1)
end
if token > 9007199254740991 then
  return redis.error_reply('ERR there is no greater fencing token than the last one')
end
local refused = remember(KEYS[2], before, token, ARGV[1] + ARGV[4])
if refused then return refused end
token = string.format('%.0f', token)
redis.call('SET', KEYS[1], 'failsoft:' .. token .. ':' .. ARGV[2], 'PX', ARGV[1])
return {word, token}
