-- The rooms of a partition. KEYS: 1 rooms.
local clock = redis.call('TIME')
return redis.call('ZRANGE', KEYS[1], string.format('%.0f', clock[1] * 1e6 + clock[2]), '+inf', 'BYSCORE')
