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
return wait
