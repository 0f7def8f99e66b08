-- One hash per sub-account. Calls are counted in slots of a twentieth of the interval; the slots of the last
-- interval plus the one begun count against "max", so no stretch of one interval ever holds more than "max".
-- KEYS[1] hash; ARGV: operation, default max, default interval (ms), default day max, then per operation.
local key, op = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local SLOTS, DAY, PROBE = 20, 86400000, 300000

local raw = redis.call('HGETALL', key)
local state = {}
for i = 1, #raw, 2 do state[raw[i]] = tonumber(raw[i + 1]) end
local max = state.max or tonumber(ARGV[2])
local interval = state.interval or tonumber(ARGV[3])
local day_max = state.day_max or tonumber(ARGV[4])
local today = math.floor(now / DAY)
local day_used = state.day == today and state.day_used or 0
local slot_ms = math.ceil(interval / SLOTS)
local current = math.floor(now / slot_ms)

local function text(number) return string.format('%.0f', number) end

local used, slots = 0, {}
for name, count in pairs(state) do
  local slot = tonumber(string.match(name, '^s(%d+)$'))
  if slot then
    if slot < current - SLOTS or slot > current + SLOTS then
      redis.call('HDEL', key, name)
    else
      used = used + count
      slots[#slots + 1] = {slot, count}
    end
  end
end

local function keep() redis.call('PEXPIRE', key, text(2 * DAY)) end

local function wait_for(excess)
  table.sort(slots, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(slots) do
    excess = excess - entry[2]
    if excess <= 0 then return math.max(1, (entry[1] + SLOTS + 1) * slot_ms - now) end
  end
  return slot_ms
end

-- Nothing kept: nobody has asked the CRM for two days, or Redis was emptied.
if op == 'known' and #raw == 0 then return {} end
if op == 'known' then return {used, max, day_used, day_max, interval} end
if op == 'used' then
  return {used, max, day_used, day_max}
end

if op == 'block' then
  local till = math.max(state.blocked or 0, now + tonumber(ARGV[5]))
  redis.call('HSET', key, 'blocked', text(till))
  keep()
  return {1}
end

if op == 'report' then
  local new_max, new_interval, left = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
  local new_day_max, day_left = tonumber(ARGV[8]), tonumber(ARGV[9])
  if new_max > 0 then max = new_max; redis.call('HSET', key, 'max', text(max)) end
  if new_interval > 0 and new_interval ~= interval then
    for _, entry in ipairs(slots) do redis.call('HDEL', key, 's' .. text(entry[1])) end
    current = math.floor(now / math.ceil(new_interval / SLOTS))
    redis.call('HSET', key, 'interval', text(new_interval), 's' .. text(current), text(used))
  end
  if left >= 0 and max - left > used then
    redis.call('HINCRBY', key, 's' .. text(current), text(max - left - used))
  end
  if new_day_max > 0 then day_max = new_day_max; redis.call('HSET', key, 'day_max', text(day_max)) end
  if day_left >= 0 then
    redis.call('HSET', key, 'day', text(today), 'day_used', text(math.max(0, day_max - day_left)))
  end
  keep()
  return {1}
end

-- claim: ARGV[5] the share of "max" left to the more urgent, ARGV[6] 1 for bulk work, ARGV[7] share of the day
-- below which bulk work stops.
if state.blocked and state.blocked > now then return {0, state.blocked - now} end
local till_midnight = (today + 1) * DAY - now
if day_used >= day_max then
  -- Nobody tells when the other side's day begins, and only an answer can: one urgent call in five minutes asks.
  local next_probe = (state.probe or 0) + PROBE - now
  if tonumber(ARGV[5]) > 0 or next_probe > 0 then
    return {0, math.min(till_midnight, math.max(1000, next_probe))}
  end
  redis.call('HSET', key, 'probe', text(now))
elseif ARGV[6] == '1' and day_max - day_used < day_max * tonumber(ARGV[7]) then
  return {0, math.min(till_midnight, PROBE)}
end
local limit = max - math.floor(max * tonumber(ARGV[5]))
if used >= limit then return {0, wait_for(used + 1 - limit)} end
redis.call('HINCRBY', key, 's' .. text(current), 1)
redis.call('HSET', key, 'day', text(today), 'day_used', text(day_used + 1))
keep()
return {1, max - used - 1, max, interval, math.max(0, day_max - day_used - 1), day_max}
