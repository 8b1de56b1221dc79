-- Post. ask: key, to, data.
local key, to, data = ask[1], ask[2], ask[3]
if not begin(false) then return done('no_peer') end
local counts = field('k' .. key)
if counts and now < tonumber(counts) then return done('') end
if population() == 0 then return done('no_peer') end
local f = {SIGNAL, '', OVERHEAD + #data, 0, to == '', data}
local able = {}
if to == '' then
  for _, m in ipairs(others(nil)) do
    if fits(m, f) then able[#able + 1] = m end
  end
else
  local m = in_room(to)
  if not m then return done('no_peer') end
  if not fits(m, f) then return done('busy') end
  able[1] = m
end
local text = #able > 0 and share(f, #able)
for _, m in ipairs(able) do
  append(m, f, text)
  m[ACTIVE] = now
end
if not counts then
  r[POSTED_LAST] = r[POSTED_LAST] + 1
  put['q' .. r[POSTED_LAST]] = key
end
put['k' .. key] = string.format('%.0f', now + r[TOMBSTONE])
dirty[r] = true
sooner(now + r[TOMBSTONE])
return done('')
