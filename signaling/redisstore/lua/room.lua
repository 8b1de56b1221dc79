-- The beginning of every script: one step on one room, as signaling/store describes it. The step
-- reads, decides, and writes at its very end, in save(): an error on the way has changed nothing.
--
-- KEYS  1 state of the room, 2 its live peers, 3 rooms of the partition, 4 when its last interruption ended
-- ARGV  1 asked, 2 the partition's channel, 3 the room, 4 what is asked for (MessagePack)
--
-- State is a hash. Its fields:
--   r           the room            h<session>  a session, as it changes
--   a<attempt>  session             c<session>  a session, as it was made
--   f<slot>:<n> a frame, or b<id> of one that many have       b<id>, n<id>  that one, and how many
--   e<n>        ended sessions, in the order of their end      q<n>, k<key> keys of Post, and until when they count
--
-- Times are microseconds of this server's clock.

local STATE, LIVE, INDEX, PAUSE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pack, unpacked = redis.call, cmsgpack.pack, cmsgpack.unpack
local floor, max, min = math.floor, math.max, math.min

local OVERHEAD = 128     -- store.Overhead
local MAX_ENDED = 1024   -- ended sessions that are remembered
local LATE = 5e6         -- a node that heard nothing for so long was cut off
local LEAST_LIFE = 600e6 -- of keys that nobody touches

-- r, the room
local REPLICATION, RUN, NODE, EPOCH, DUE, SLOTS, ENDED_FIRST, ENDED_LAST, POSTED_FIRST, POSTED_LAST, SHARED, TOUCHED, LOST =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
local RULES = 13 -- followed by them
local PEERS, PER_ADDRESS, RATE, BURST, FRAMES, BYTES = 14, 15, 16, 17, 18, 19
local LEASE, POLLING, AWAY_TIME, LEFT_TIME, UNLINKED, LEAVING_TIME, ATTEMPT_TIME, TOMBSTONE = 20, 21, 22, 23, 24, 25, 26, 27

-- h, a session as it changes
local SECRET, ENDED, SLOT, PEER, EPOCH_OF, PRESENCE, RECEIVED, PAID, ACKED, TAIL, MAIL, FROM =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
local FENCE, LINKS, LINKED, LEAVING, KIND, POLLS, TURN, RENEWED, ACTIVE, AWAY, GONE, EXPIRES, USED, DENY =
  13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26

-- c, a session as it was made
local SALT, SUBJECT, ADDRESS, ATTEMPT, BODY, REPEATABLE, RESUMED, RESUMES, INSTANCE, NAME, META =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

-- Kinds of frames
local SIGNAL, BROADCAST, CHANGE, LEAVE, REFRESH, INVALID, JOINED, LEFT, CHANGED, REFUSED = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

local clock = call('TIME')
local now = clock[1] * 1e6 + clock[2]
local ask = unpacked(ARGV[4])

local r           -- the room; nil: there is none
local existed     -- it was there before
local swept       -- what was due in it was done
local wiped       -- what was there goes
local put = {}    -- fields to be written; false: to be deleted
local seat = {}   -- peers to be written into LIVE; false: to be deleted
local members = {}    -- sessions read, by id; false: there is none
local session_of = {} -- and the other way round
local made = {}       -- what they were made as, by id
local dirty = {}      -- sessions to be written
local crowd           -- the live ones, once all are read; some may have ended since
local overfull = {}   -- sessions to be ended as slow
local woken, wakes = {}, {}
local cut                -- when the step that was cut off came

local function field(name)
  local value = put[name]
  if value == nil then return not wiped and call('HGET', STATE, name) end
  return value
end

-- fields reads many, some at a time: Lua passes at most 8,000 values to a function.
local function fields(names)
  local values = {}
  for first = 1, #names, 1000 do
    local some = call('HMGET', STATE, unpack(names, first, min(#names, first + 999)))
    for i, value in ipairs(some) do values[first + i - 1] = value end
  end
  return values
end

local function keep(session, m)
  if m then session_of[m] = session end
  members[session] = m
  return m
end

-- member returns a session, or false.
local function member(session)
  local m = members[session]
  if m ~= nil then return m end
  local text = field('h' .. session)
  return keep(session, text and unpacked(text))
end

local function change(m) dirty[m] = true end

-- as_made returns what never changes about a session, and its name and meta.
local function as_made(m)
  local session = session_of[m]
  local c = made[session]
  if not c then
    c = unpacked(field('c' .. session))
    made[session] = c
  end
  return c
end

local function write_made(m)
  put['c' .. session_of[m]] = pack(made[session_of[m]])
end

-- in_room returns the live session of a peer, or nil.
local function in_room(peer)
  local session = seat[peer]
  if session == nil then session = not wiped and call('HGET', LIVE, peer) end
  return session and member(session) or nil
end

-- everybody reads all live sessions. Loops over them pass over those that ended since.
local function everybody()
  if crowd then return crowd end
  crowd = {}
  local sessions, names = wiped and {} or call('HVALS', LIVE), {}
  for i, session in ipairs(sessions) do names[i] = 'h' .. session end
  local texts = fields(names)
  for i, session in ipairs(sessions) do
    crowd[i] = members[session] or keep(session, unpacked(texts[i]))
  end
  return crowd
end

local function population()
  if not crowd then
    local count = wiped and 0 or call('HLEN', LIVE)
    for _, session in pairs(seat) do count = count + (session and 1 or -1) end
    return count
  end
  local count = 0
  for _, m in ipairs(crowd) do
    if m[ENDED] == '' then count = count + 1 end
  end
  return count
end

local function wake(m)
  local session = session_of[m]
  if not woken[session] then
    woken[session] = true
    wakes[#wakes + 1] = session
  end
end

local function sooner(at)
  if at > 0 and (r[DUE] == 0 or at < r[DUE]) then
    r[DUE] = at
    dirty[r] = true
  end
end

local function schedule(m, away, gone)
  m[AWAY], m[GONE] = away, gone
  change(m)
  sooner(away)
  sooner(gone)
end
