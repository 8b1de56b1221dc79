-- Roster.
if not begin(false) then return done('', {}) end
local list = roster(nil)
return done('', list)
