-- Who is in a room, as scripts tell it.

local function read_made()
  local names, missing = {}, {}
  for _, m in ipairs(everybody()) do
    if not made[session_of[m]] then
      names[#names + 1] = 'c' .. session_of[m]
      missing[#missing + 1] = session_of[m]
    end
  end
  for i, text in ipairs(fields(names)) do made[missing[i]] = unpacked(text) end
end

local function owner(m)
  local left = 0
  if m[EXPIRES] > 0 then left = max(m[EXPIRES] - now, 1) end
  return m[PEER], as_made(m)[SUBJECT], max(now - m[EPOCH_OF] * 1000, 0), left
end

-- roster returns everybody but m.
local function roster(m)
  if not crowd then everybody() end
  read_made()
  local list = {}
  for _, other in ipairs(others(m)) do
    local c = as_made(other)
    list[#list + 1] = {other[PEER], session_of[other], other[EPOCH_OF], c[INSTANCE], c[NAME], c[META], other[PRESENCE]}
  end
  return list
end
