-- Leave. ask: session, secret, soft.
begin(false)
local m, code, why = proven(ask[1], ask[2])
if not m then return done(code, why or '') end
if ask[3] then
  m[LINKED] = false -- the page is going: its link no longer renews
  m[LEAVING] = true
  schedule(m, 0, now + r[LEAVING_TIME])
  if fits_others(m, presence(m, 'leaving', m[PEER])) then show(m, 'leaving', m[PEER]) end
else
  finish(m, 'left')
end
return done('', m[PEER])
