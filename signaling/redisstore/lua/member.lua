-- Sessions: how present they are, and how they end.

local function presence(m, how, from)
  return {CHANGED, from, OVERHEAD, m[PEER], m[EPOCH_OF], how, false, false}
end

-- show tells the others how a session is now. From is whom the frame counts to, '' the server.
local function show(m, how, from)
  if m[PRESENCE] == how then return end
  m[PRESENCE] = how
  change(m)
  tell(m, presence(m, how, from))
end

-- renew lets a linked session live for another lease.
local function renew(m)
  m[RENEWED] = now
  local over = now + r[LEASE]
  schedule(m, over, m[POLLS] and now + r[POLLING] or over + r[LEFT_TIME])
  local from = m[LEAVING] and m[PEER] or ''
  m[LEAVING] = false
  show(m, 'here', from)
end

-- forget drops the oldest of the ended sessions.
local function forget()
  local name = 'e' .. r[ENDED_FIRST]
  local m = member(field(name))
  if m then
    local session = session_of[m]
    local attempt = 'a' .. as_made(m)[ATTEMPT]
    if field(attempt) == session then put[attempt] = false end
    put['h' .. session], put['c' .. session] = false, false
    members[session], dirty[m] = false, nil
  end
  put[name] = false
  r[ENDED_FIRST] = r[ENDED_FIRST] + 1
  dirty[r] = true
end

-- bury ends a session without a word to the others.
local function bury(m, code)
  local session = session_of[m]
  drop(m, m[TAIL])
  local c = as_made(m)
  c[NAME], c[META] = '', false
  write_made(m)
  m[ENDED], m[LINKED] = code, false
  m[LINKS] = m[LINKS] + 1
  m[FENCE] = m[LINKS] -- every link is an older one now
  seat[m[PEER]] = false
  wake(m)
  r[ENDED_LAST] = r[ENDED_LAST] + 1
  put['e' .. r[ENDED_LAST]] = session
  schedule(m, 0, now + r[TOMBSTONE])
  dirty[r] = true
  if r[ENDED_LAST] - r[ENDED_FIRST] >= MAX_ENDED then forget() end
end

local reasons = {left = 'leave', lost = 'lost', slow = 'slow', kicked = 'kicked'}

-- finish ends a session and tells the others.
local function finish(m, code)
  if code == '' then code = 'kicked' end
  bury(m, code)
  tell(m, {LEFT, '', OVERHEAD, m[PEER], m[EPOCH_OF], reasons[code] or 'kicked'})
end

-- settle ends the sessions that had no place for a frame about the roster.
local function settle()
  local i = 1
  while overfull[i] do
    if overfull[i][ENDED] == '' then finish(overfull[i], 'slow') end
    i = i + 1
  end
  overfull = {}
end

-- held returns until when nobody is ended or shown as away, because all nodes were cut off, and have to renew first.
local function held()
  local ended = cut or call('GET', PAUSE)
  return ended and tonumber(ended) + floor(r[LEASE] / 2) or 0
end

-- expire does what is due by now.
local function expire()
  swept = true
  local hold = held()
  for _, m in ipairs(everybody()) do
    if m[ENDED] ~= '' then -- ended by the one before
    elseif m[EXPIRES] > 0 and now >= m[EXPIRES] then
      finish(m, 'expired')
    elseif now < hold then
    elseif now >= m[GONE] then
      finish(m, m[LEAVING] and 'left' or 'lost')
    elseif m[AWAY] > 0 and now >= m[AWAY] then
      m[AWAY] = 0
      show(m, 'away', '')
      change(m)
    end
  end
  while r[ENDED_FIRST] <= r[ENDED_LAST] do
    local m = member(field('e' .. r[ENDED_FIRST]))
    if m and now < m[GONE] then break end
    forget()
  end
  while r[POSTED_FIRST] <= r[POSTED_LAST] do
    local name = 'q' .. r[POSTED_FIRST]
    local key = 'k' .. field(name)
    if now < tonumber(field(key)) then break end
    put[name], put[key] = false, false
    r[POSTED_FIRST] = r[POSTED_FIRST] + 1
  end
  settle()

  r[DUE] = 0
  dirty[r] = true
  for _, m in ipairs(everybody()) do
    if m[ENDED] == '' then
      if m[AWAY] > 0 then sooner(max(m[AWAY], hold)) end
      sooner(max(m[GONE], hold))
      sooner(m[EXPIRES])
    end
  end
  if r[ENDED_FIRST] <= r[ENDED_LAST] then sooner(member(field('e' .. r[ENDED_FIRST]))[GONE]) end
  if r[POSTED_FIRST] <= r[POSTED_LAST] then sooner(tonumber(field('k' .. field('q' .. r[POSTED_FIRST])))) end
  if now < r[LOST] then sooner(r[LOST]) end
end
