-- The frame of a step: what the room is found as, and what is left of it.

-- life is how long keys live that nobody touches: they are garbage then.
local function life()
  local longest = max(r[LEASE] + r[LEFT_TIME], r[POLLING], r[AWAY_TIME], r[UNLINKED], r[LEAVING_TIME], r[ATTEMPT_TIME], r[TOMBSTONE])
  return max(2 * longest, LEAST_LIFE)
end

-- settle_here makes a room, or takes in that it is on another server than before. That is rare, so what does it is made only then.
local function settle_here(info)
  local replication = string.match(info, 'master_replid:(%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w)') or ''

  -- this_server returns what tells this server, and its stays as a master, from others.
  local function this_server()
    local info = call('INFO', 'server')
    local node = ''
    if string.find(info, 'redis_mode:cluster', 1, true) then node = string.sub(call('CLUSTER', 'MYID'), 1, 16) end
    return string.match(info, 'run_id:(%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w)') or '', node
  end

  local function fresh()
    r = {replication, '', '', 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
    r[RUN], r[NODE] = this_server()
    wiped = true -- of what may be left of a room whose state is gone
    dirty[r] = true
  end

  -- moved takes in that another server, or the same one in another stay as master, holds the room now. If it may lack
  -- what the other had acknowledged, the sessions are over: they are to join again.
  local function moved()
    local run, node = this_server()
    local before = string.match(info, 'master_replid2:(%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w%w)') or ''
    local lost
    if run == r[RUN] then
      lost = string.find(before, '[^0]') -- else it only began, or stopped, to keep a backlog for replicas
    else
      lost = node == r[NODE] or before == r[REPLICATION] -- else the slot was moved here, with all that was in it
    end
    if lost then
      for _, session in ipairs(call('HVALS', LIVE)) do
        woken[session] = true
        wakes[#wakes + 1] = session
      end
      wiped = true
      r[LOST] = now + r[TOMBSTONE]
      r[DUE] = r[LOST]
      r[ENDED_FIRST], r[ENDED_LAST], r[POSTED_FIRST], r[POSTED_LAST], r[TOUCHED] = 1, 0, 1, 0, 0
    end
    r[REPLICATION], r[RUN], r[NODE] = replication, run, node
    dirty[r] = true
  end

  if r then moved() else fresh() end
end

-- begin reads the room, and does what is due in it. A room that is not there is made if that is asked for.
local function begin(create)
  local gap = tonumber(ARGV[1])
  if gap > 0 then gap = now - gap else gap = -gap end
  if gap > LATE then
    cut = now
    redis.pcall('SET', PAUSE, string.format('%.0f', now), 'PX', floor(LEAST_LIFE / 1000)) -- without memory for it this step goes on, and holds back by itself
  end

  local info = call('INFO', 'replication')
  local text = call('HGET', STATE, 'r')
  if text then
    r, existed = unpacked(text), true
    if not string.find(info, 'master_replid:' .. r[REPLICATION], 1, true) then settle_here(info) end
    if r[DUE] > 0 and now >= r[DUE] then expire() end
  elseif create then
    settle_here(info)
  end
  return r
end

-- proven returns the live session that the step is asked of, or nil and why not.
local function proven(session, secret)
  local m = r and member(session)
  if not m then
    if r and now < r[LOST] then return nil, 'ended', 'rejoin' end
    return nil, 'no_session'
  end
  if m[SECRET] ~= secret then return nil, 'wrong_secret' end
  if m[ENDED] ~= '' then return nil, 'ended', m[ENDED] end
  if not m[USED] then
    m[USED] = true
    change(m)
  end
  return m
end

local function each(command, key, list)
  for first = 1, #list, 1000 do call(command, key, unpack(list, first, min(#list, first + 999))) end
end

-- save writes what the step changed. It frees first, so that a server whose memory is full can be emptied.
local function save()
  -- A room ends when the last of what it remembers expires, or is not even made.
  if (swept or not existed) and r[ENDED_FIRST] > r[ENDED_LAST] and r[POSTED_FIRST] > r[POSTED_LAST] and now >= r[LOST] and population() == 0 then
    if existed then
      call('DEL', STATE, LIVE)
      call('ZREM', INDEX, ARGV[3])
    end
    r[DUE] = 0
    return
  end
  if wiped and existed then call('DEL', STATE) end

  local span = life()
  local touch = now - r[TOUCHED] > span / 4 or now < r[TOUCHED]
  for _, session in pairs(seat) do touch = touch or session end -- LIVE may be new
  if touch then
    r[TOUCHED] = now
    dirty[r] = true
  end
  for m in pairs(dirty) do
    if m == r then put.r = pack(r) else put['h' .. session_of[m]] = pack(m) end
  end
  local sets, gone, seats, left = {}, {}, {}, {}
  for name, value in pairs(put) do
    if value then
      sets[#sets + 1] = name
      sets[#sets + 1] = value
    else
      gone[#gone + 1] = name
    end
  end
  for peer, session in pairs(seat) do
    if session then
      seats[#seats + 1] = peer
      seats[#seats + 1] = session
    else
      left[#left + 1] = peer
    end
  end
  if existed and not wiped then
    each('HDEL', STATE, gone)
    each('HDEL', LIVE, left)
  end
  each('HSET', STATE, sets) -- the first write, but of those that free: with too little memory it is refused
  if wiped then call('DEL', LIVE) end
  each('HSET', LIVE, seats)
  if touch then
    local ms = floor(span / 1000)
    call('PEXPIRE', STATE, ms)
    call('PEXPIRE', LIVE, ms)
    call('ZREMRANGEBYSCORE', INDEX, '-inf', string.format('%.0f', now))
    call('ZADD', INDEX, string.format('%.0f', now + span), ARGV[3])
    call('PEXPIRE', INDEX, max(ms, call('PTTL', INDEX)))
  end
end

-- done ends the step with what it came to: a code, '' if it is none, and more.
local function done(code, ...)
  local due = 0
  if r then
    if overfull[1] then settle() end
    save()
    if #wakes > 0 then call('SPUBLISH', ARGV[2], table.concat(wakes, ' ')) end
    if r[DUE] > 0 then due = max(r[DUE] - now, 1000) end
  end
  return pack({code, now, due, ...})
end
