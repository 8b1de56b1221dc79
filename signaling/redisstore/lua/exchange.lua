-- Exchange. ask: session, secret, frames, ack, after, limit, fence, turn, renews.
local session, secret, frames, ack, after, limit, fence, turn, renews = unpack(ask, 1, 9)
begin(false)
local m, code, why = proven(session, secret)
if not m then return done(code, why or '') end

local superseded = fence ~= 0 and fence < m[FENCE] or turn ~= 0 and turn < m[TURN]
local probing = fence > m[FENCE]
if not superseded and not probing and after > m[TAIL] then return done('history_lost') end
drop(m, ack)

local gap, wait, refused = false, 0, {}
if frames[1] then -- else what follows need not even be made
  -- charge has a session pay for a frame, or returns how long until it can (see signaling/internal/budget).
  local function charge(cost)
    if r[RATE] <= 0 or cost <= 0 then return 0 end
    local paid = max(m[PAID], now) + floor(min(cost, r[BURST]) / r[RATE] * 1e6)
    local wait = paid - now - floor(r[BURST] / r[RATE] * 1e6)
    if wait > 0 then return wait end
    m[PAID] = paid
    change(m)
    return 0
  end

  -- deliver puts a peer's frame into a mailbox.
  local function deliver(to, f, text)
    append(to, f, text)
    to[ACTIVE] = now
  end

  local function refuse(n, to, reason, message)
    local f = {REFUSED, '', OVERHEAD + #message, n, to, reason, message}
    refused[#refused + 1] = {n, to, reason, message}
    if has_room(m, f) then append(m, f, pack(f)) else overfull[#overfull + 1] = m end
  end

  local take = {}

  take[SIGNAL] = function(n, cost, to, epoch, data)
    if m[DENY] % 2 >= 1 then return refuse(n, to, 'forbidden', '') end
    local m_to = in_room(to)
    if not m_to then return refuse(n, to, 'no_peer', '') end
    if epoch ~= 0 and epoch ~= m_to[EPOCH_OF] then return refuse(n, to, 'stale_epoch', '') end
    local f = {SIGNAL, m[PEER], OVERHEAD + #data, m[EPOCH_OF], false, data}
    if not fits(m_to, f) then return refuse(n, to, 'busy', '') end
    deliver(m_to, f, pack(f))
  end

  take[BROADCAST] = function(n, cost, data)
    if m[DENY] % 4 >= 2 then return refuse(n, '', 'forbidden', '') end
    local f = {SIGNAL, m[PEER], OVERHEAD + #data, m[EPOCH_OF], true, data}
    local able, unable = {}, {}
    for _, to in ipairs(others(m)) do
      local list = fits(to, f) and able or unable
      list[#list + 1] = to
    end
    local text = #able > 0 and share(f, #able)
    for _, to in ipairs(able) do deliver(to, f, text) end
    for _, to in ipairs(unable) do refuse(n, to[PEER], 'busy', '') end
  end

  -- It is not taken while somebody could not be told, or a peer could fill the mailboxes of the others with it.
  take[CHANGE] = function(n, cost, name, meta)
    if name and m[DENY] >= 4 then return refuse(n, '', 'forbidden', '') end
    local weight = OVERHEAD + (name and #name or 0) + (meta and #meta or 0)
    local f = {CHANGED, m[PEER], weight, m[PEER], m[EPOCH_OF], '', name, meta}
    if not fits_others(m, f) then return refuse(n, '', 'busy', '') end
    local c = as_made(m)
    if name then c[NAME] = name end
    if meta then c[META] = meta ~= 'null' and meta end
    write_made(m)
    tell(m, f)
  end

  take[REFRESH] = function(n, cost, subject, expires)
    if subject ~= as_made(m)[SUBJECT] then return refuse(n, '', 'forbidden', '') end
    m[EXPIRES] = expires > 0 and now + expires or 0
    sooner(m[EXPIRES])
  end

  take[LEAVE] = function() finish(m, 'left') end

  take[INVALID] = function(n, cost, to, reason, message) refuse(n, to, reason, message) end

  for _, sent in ipairs(frames) do
    local n, kind, cost = sent[1], sent[2], sent[3]
    if n > m[RECEIVED] then
      if n ~= m[RECEIVED] + 1 then
        gap = true
        break
      end
      if kind == BROADCAST or kind == CHANGE then cost = cost * max(population() - 1, 1) end
      wait = charge(cost)
      if wait > 0 then break end
      m[RECEIVED], m[ACTIVE] = n, now
      change(m)
      take[kind](n, cost, unpack(sent, 4, 6))
      if m[ENDED] ~= '' then return done('ended', m[ENDED]) end
    end
  end
end

local received, acked, tail, idle = m[RECEIVED], m[ACKED], m[TAIL], now - m[ACTIVE]
local first, found = 0, {}
if not superseded and not probing then
  if renews and m[LINKED] then renew(m) end
  if limit > 0 then
    first = max(after, m[ACKED]) + 1
    found = read(m, first - 1, limit)
  end
end
return done('', received, gap, wait, refused, first, found, acked, tail, superseded, probing, now - m[RENEWED], idle)
