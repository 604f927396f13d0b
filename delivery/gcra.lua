-- A permit for one request, spaced evenly: GCRA with a burst of one, on Redis' own clock.
-- KEYS[1]: when the next request is free, in microseconds since 1970.
-- ARGV[1]: microseconds between two requests. ARGV[2]: the longest wait that the caller accepts, in microseconds.
-- Gives back the wait. The permit is taken only when the wait is no longer than accepted.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval = tonumber(ARGV[1])
local patience = tonumber(ARGV[2])
local free = tonumber(redis.call('GET', KEYS[1]) or now)
-- Further ahead than any permit can have set it: the clock was put back since.
if free < now or free > now + patience + interval then
    free = now
end
local wait = free - now
if wait <= patience then
    local milliseconds = math.ceil((wait + interval) / 1000)
    redis.call('SET', KEYS[1], string.format('%.0f', free + interval), 'PX', milliseconds)
end
-- Counted here, where it costs no round trip of its own; delivery/metrics.py reads it.
local bound = wait == 0 and '0' or wait <= 20000 and '20' or wait <= 50000 and '50' or wait <= 100000 and '100' or 'more'
redis.call('HINCRBY', 'headwater:limiter', bound, 1)
redis.call('HINCRBY', 'headwater:limiter', 'sum', wait)
return wait
