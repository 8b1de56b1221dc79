-- Mailboxes. A frame is {kind, from, weight, …}; see frames in reply.go.

local function by_peer(f) return f[1] == SIGNAL or f[1] == CHANGED and f[2] ~= '' end

local function waiting(m) return m[TAIL] - m[ACKED] end

-- has_room says whether there is a place for f at all.
local function has_room(m, f)
  return waiting(m) < r[FRAMES] and m[MAIL] + f[3] <= r[BYTES]
end

-- fits says whether there is a place for a peer's f.
local function fits(m, f)
  local load = m[FROM][f[2]]
  return waiting(m) < floor(r[FRAMES] * 3 / 4) and m[MAIL] + f[3] <= floor(r[BYTES] * 3 / 4) and
    (not load or load[1] < floor(r[FRAMES] / 4) and load[2] + f[3] <= floor(r[BYTES] / 4))
end

local function count(m, f, sign)
  m[MAIL] = m[MAIL] + sign * f[3]
  if not by_peer(f) then return end
  local load = m[FROM][f[2]] or {0, 0}
  load[1], load[2] = load[1] + sign, load[2] + sign * f[3]
  m[FROM][f[2]] = load[1] > 0 and load or nil
end

-- append puts a frame into a mailbox: text is the packed frame, or the name of one that many have.
local function append(m, f, text)
  m[TAIL] = m[TAIL] + 1
  put['f' .. m[SLOT] .. ':' .. m[TAIL]] = text
  count(m, f, 1)
  change(m)
  wake(m)
end

-- share returns what to put into the mailboxes of so many.
local function share(f, many)
  if many < 2 then return pack(f) end
  r[SHARED] = r[SHARED] + 1
  dirty[r] = true
  put['b' .. r[SHARED]] = pack(f)
  put['n' .. r[SHARED]] = many
  return 'b' .. r[SHARED]
end

-- texts returns the packed frames first … last of a mailbox, and the names of those that many have.
local function texts(m, first, last)
  local list, names, at = {}, {}, {}
  for n = first, last do
    local name = 'f' .. m[SLOT] .. ':' .. n
    local text = put[name]
    if text == nil then
      names[#names + 1] = name
      at[#at + 1] = n
    else
      list[n] = text
    end
  end
  if #names > 0 then
    for i, text in ipairs(call('HMGET', STATE, unpack(names))) do list[at[i]] = text end
  end
  local shared = {}
  for n = first, last do
    if string.byte(list[n]) == 98 then -- a b
      shared[n] = list[n]
      list[n] = field(list[n])
    end
  end
  return list, shared
end

-- drop forgets the frames up to n.
local function drop(m, n)
  n = min(n, m[TAIL])
  while m[ACKED] < n do
    local first, last = m[ACKED] + 1, min(n, m[ACKED] + 64)
    local list, shared = texts(m, first, last)
    for i = first, last do
      count(m, unpacked(list[i]), -1)
      put['f' .. m[SLOT] .. ':' .. i] = false
      if shared[i] then
        local id = string.sub(shared[i], 2)
        local left = field('n' .. id) - 1
        put['n' .. id] = left > 0 and left
        if left == 0 then put['b' .. id] = false end
      end
    end
    m[ACKED] = last
    change(m)
  end
end

-- read returns frames after n, up to limit bytes and at least one.
local function read(m, n, limit)
  local found, size = {}, 0
  while n < m[TAIL] do
    local last = min(m[TAIL], n + 16)
    local list = texts(m, n + 1, last)
    for i = n + 1, last do
      size = size + unpacked(list[i])[3]
      if size > limit and #found > 0 then return found end
      found[#found + 1] = list[i]
    end
    n = last
  end
  return found
end

-- each calls f with everybody but m.
local function others(m)
  local list = {}
  for _, to in ipairs(everybody()) do
    if to ~= m and to[ENDED] == '' then list[#list + 1] = to end
  end
  return list
end

-- tell puts a frame about m into every other mailbox. Who has no place for it is ended as slow.
local function tell(m, f)
  local able = {}
  for _, to in ipairs(others(m)) do
    local list = has_room(to, f) and able or overfull
    list[#list + 1] = to
  end
  local text = #able > 0 and share(f, #able)
  for _, to in ipairs(able) do append(to, f, text) end
end

-- fits_others says whether everybody but m has a place for a frame of m's.
local function fits_others(m, f)
  for _, to in ipairs(others(m)) do
    if not fits(to, f) then return false end
  end
  return true
end
