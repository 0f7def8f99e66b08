-- The next free slot of one connection's speed limit, in milliseconds from now. Redis's clock counts.
-- KEYS[1] the connection; ARGV[1] milliseconds between two calls, ARGV[2] how many may go at once,
-- ARGV[3] the longest wait that the caller takes. A slot further away is not taken.
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local gap, burst, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local free = tonumber(redis.call('GET', KEYS[1]) or '0')
local slot = math.max(free, now_ms - gap * (burst - 1))
local wait = math.max(0, slot - now_ms)
if wait <= longest then
    redis.call('SET', KEYS[1], string.format('%.0f', slot + gap), 'PX', math.ceil(wait + gap * (burst + 1) + 1000))
end
return math.floor(wait)
