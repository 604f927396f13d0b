-- A permit for one request, spaced evenly: GCRA with a burst of one, on Redis' own clock.
-- KEYS[1]: when the next request is free, in microseconds since 1970. KEYS[2]: a hash that counts the waits.
-- KEYS[3]: is there while some processes keep to a share of their own, after an outage of Redis.
-- KEYS[4]: since when this Redis knows of permits: one that was emptied has forgotten some that are still to be used.
-- KEYS[5], KEYS[6]: the failing sources and the probe of the region (delivery/breaker.py); left out, nobody asks there.
-- ARGV[1]: microseconds between two requests. ARGV[2]: the longest wait that the caller accepts, in microseconds.
-- ARGV[3]: so many failing sources open the breaker. ARGV[4]: seconds that a probe lasts.
-- ARGV[5]: the wait, in microseconds, of whoever the breaker keeps out. ARGV[6]: the source that asks.
-- ARGV[7]: microseconds until the request can begin; its wait counts from then. ARGV[8]: microseconds that it may begin
-- late: the key's next one is that much later. Neither is more than ARGV[2]. ARGV[9]: milliseconds that KEYS[3] lasts.
-- Gives back the wait and the number of failing sources. A permit is taken only when the wait is one that is accepted.
-- A wait of -1: use your own share.
local time = redis.call('TIME')
local lead = tonumber(ARGV[7])
local clock = time[1] * 1000000 + time[2]
local now = clock + lead
local interval = tonumber(ARGV[1])
local patience = tonumber(ARGV[2])
local span = tonumber(ARGV[8])
-- In the last second nobody gets one, so that the permits of the shares have left the second that counts.
local shared = redis.call('PTTL', KEYS[3])
if shared > 1100 then
    if shared > tonumber(ARGV[9]) then
        -- The clock was put back since: the key would last as much longer.
        redis.call('PEXPIRE', KEYS[3], ARGV[9])
    end
    return {-1, 0}
elseif shared >= 0 then
    return {patience + 1 + shared * 1000, 0}
end
local since = tonumber(redis.call('GET', KEYS[4]) or clock + 1)
if since > clock then
    since = clock
    redis.call('SET', KEYS[4], string.format('%.0f', since))
end
-- No permit reaches further ahead, lead and span included.
local furthest = 3 * patience + interval
local free = tonumber(redis.call('GET', KEYS[1]) or since + furthest)
if free < now then
    free = now
elseif free > now + furthest then
    -- The clock was put back since.
    free = now + furthest
    redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((lead + furthest) / 1000))
end
local wait = free - now
local failing = KEYS[5] and redis.call('SCARD', KEYS[5]) or 0
if wait <= patience then
    if KEYS[5] and failing >= tonumber(ARGV[3]) then
        if redis.call('PTTL', KEYS[6]) > ARGV[4] * 1000 then
            -- The clock was put back since: the probe has ended, or its request is tried again.
            redis.call('DEL', KEYS[6])
        end
        if not redis.call('SET', KEYS[6], ARGV[6], 'NX', 'EX', ARGV[4]) then
            return {tonumber(ARGV[5]), failing}
        end
    end
    local next = free + span + interval
    local milliseconds = math.ceil((lead + next - now) / 1000)
    redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', milliseconds)
end
-- Counted here, where it costs no round trip of its own; delivery/metrics.py reads it.
local bound = wait == 0 and '0' or wait <= 20000 and '20' or wait <= 50000 and '50' or wait <= 100000 and '100' or 'more'
redis.call('HINCRBY', KEYS[2], bound, 1)
redis.call('HINCRBY', KEYS[2], 'sum', wait)
return {wait, failing}
