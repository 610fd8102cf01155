-- Ends a lease. KEYS: what is leased. ARGV: 'token' or 'nonce', and which. Answers 1, or 0 where it is not held with that.
local text, problem = read(KEYS[1])
if problem then return problem end
if not text then return 0 end
local token, first = string.match(text, '^failsoft:(%d+):()')
if not token then return 0 end
local own = token
if ARGV[1] == 'nonce' then own = string.sub(text, first) end
if own ~= ARGV[2] then return 0 end
local gone = redis.pcall('DEL', KEYS[1])
return gone
