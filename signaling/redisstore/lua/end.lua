-- End. ask: session, code.
begin(false)
local m = r and member(ask[1])
if not m or m[ENDED] ~= '' then return done('no_session') end
finish(m, ask[2])
return done('')
