-- Attach. ask: session, secret, kind, polls, goes, probe, use, after.
local session, secret, kind, polls, goes, probe, use, after = unpack(ask, 1, 8)
begin(false)
local m, code, why = proven(session, secret)
if not m then return done(code, why or '') end

after = max(after, m[ACKED])
local number = use + goes -- one of them, or neither
local again = use ~= 0 and use == m[FENCE]
if number ~= 0 and (number < m[FENCE] or number > m[LINKS]) or goes ~= 0 and (goes ~= m[FENCE] or not m[POLLS]) then
  return done('superseded')
end
if not again and after > m[TAIL] then return done('history_lost') end
if number == 0 then
  m[LINKS] = m[LINKS] + 1
  number = m[LINKS]
  change(m)
end
local quiet, received, tail = now - m[RENEWED], m[RECEIVED], m[TAIL]
local present = roster(m)
local took, before, turn = false, '', 0
if not probe and not again then
  if goes == 0 then
    took, before, m[KIND] = true, m[KIND], kind
  end
  drop(m, after)
  m[FENCE], m[POLLS], m[LINKED] = number, polls, true
  m[TURN] = m[TURN] + 1
  if polls then turn = m[TURN] end
  renew(m)
  wake(m) -- the link or the poll before it, and the one that was a probe
end
local peer, subject, age, expires = owner(m)
return done('', peer, subject, age, expires, number, took, before, turn, received, after, tail, present, quiet)
