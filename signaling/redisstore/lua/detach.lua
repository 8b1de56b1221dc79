-- Detach. ask: session, secret, fence.
begin(false)
local m, code, why = proven(ask[1], ask[2])
if not m then return done(code, why or '') end
if ask[3] == m[FENCE] and m[LINKED] then
  m[LINKED] = false
  schedule(m, now + r[AWAY_TIME], now + r[LEFT_TIME])
end
return done('')
