-- Join. ask: attempt, body, resuming, resume, subject, address, deny, expires, session, salt, secret, peer, spare,
-- instance, name, meta, and the rules.
local attempt, body, resuming, resume, subject, address, deny, expires = unpack(ask, 1, 8)
local session, salt, secret, peer, spare, instance, name, meta = unpack(ask, 9, 16)
local RULES_ASKED = 16

begin(true)

local function joined(m)
  local c = as_made(m)
  return done('', session_of[m], c[SALT], m[PEER], m[EPOCH_OF], c[RESUMED], m[TAIL], roster(m))
end

local earlier_attempt = field('a' .. attempt)
local repeated = earlier_attempt and member(earlier_attempt)
if repeated and now < as_made(repeated)[REPEATABLE] then
  if as_made(repeated)[BODY] ~= body then return done('attempt_reused') end
  if repeated[ENDED] ~= '' then return done('ended', repeated[ENDED]) end
  return joined(repeated)
end

everybody()
read_made()

-- A secret that was resumed already still counts until the session that did so was used: the reply may have been lost.
local earlier
if resuming then
  for _, m in ipairs(others(nil)) do
    local c = as_made(m)
    if c[SUBJECT] == subject and (peer == '' or peer == m[PEER]) then
      if m[SECRET] == resume then
        earlier = m
        break
      elseif c[RESUMED] and c[RESUMES] == resume then
        if m[USED] then return done('resume_used') end
        earlier = m
        break
      end
    end
  end
end

local id = earlier and earlier[PEER] or peer ~= '' and peer or spare
local taken = in_room(id)
if taken and taken ~= earlier then return done('peer_taken') end
if not earlier then
  if population() >= ask[RULES_ASKED + PEERS - RULES] then return done('room_full') end
  local most = ask[RULES_ASKED + PER_ADDRESS - RULES]
  if most > 0 and address ~= '' then
    local count = 0
    for _, m in ipairs(others(nil)) do
      if as_made(m)[ADDRESS] == address then count = count + 1 end
    end
    if count >= most then return done('too_many') end
  end
end

for i = 1, TOMBSTONE - RULES do r[RULES + i] = ask[RULES_ASKED + i] end
r[EPOCH] = max(r[EPOCH] + 1, floor(now / 1000))
r[SLOTS] = r[SLOTS] + 1
dirty[r] = true

local paid = 0
if earlier then
  paid = earlier[PAID] -- or who resumes again and again could send as much
  bury(earlier, 'resumed')
end
local m = keep(session, {
  secret, '', r[SLOTS], id, r[EPOCH], 'here', 0, paid, 0, 0, 0, {},
  0, 0, false, false, '', false, 0, now, now, 0, 0, 0, false, deny,
})
made[session] = {
  salt, subject, address, attempt, body, now + r[ATTEMPT_TIME], earlier and true or false, earlier and resume or '', instance, name, meta,
}
write_made(m)
put['a' .. attempt] = session
seat[id] = session
crowd[#crowd + 1] = m
schedule(m, 0, now + r[UNLINKED])
if expires > 0 then
  m[EXPIRES] = now + expires
  sooner(m[EXPIRES])
end
tell(m, {JOINED, '', OVERHEAD + #name + (meta and #meta or 0), id, r[EPOCH], instance, name, meta, 'here'})
return joined(m)
