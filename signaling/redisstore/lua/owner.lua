-- Owner. ask: session, secret.
begin(false)
local m, code, why = proven(ask[1], ask[2])
if not m then return done(code, why or '') end
return done('', owner(m))
