// What HAProxy's own language of rules cannot say: requests that wait, and a share of them that goes another way. Only
// environments that stand in special.map come by here; the others pay one look-up of a map.
import { AGAIN } from './loopback.ts'
import { type Config, mapFile } from './schema.ts'

/** Where the program stands. */
export function luaPath(config: Config): string {
  return `${config.directory}/lockgate.lua`
}

/** How long one nap of a request that waits is, and after how long one that was not seen napping is gone, milliseconds. */
const NAP_MS = 50
const GONE_MS = 1_000

/** The server asks every 2 s which instances are taken out. So long it has to be silent to be away. */
const ABSENT_MS = 6_000

/** A visitor's place among so many says on which side of a percentage they are. */
const BUCKETS = 10_000

/** The cookie that keeps a visitor on a side: `<bucket>-<salt>`. */
export const CANARY_COOKIE = 'lockgate_canary'

/**
 * The program. `special.map` says of an environment `BOUND:TOKEN|BACKEND:PERCENT:BY:SALT:HEADER`, either side of the bar may be
 * empty; BY is request, cookie or header. It asks nobody but the maps: it works while no server of ours runs.
 */
export function luaText(config: Config): string {
  return `-- Written by Lockgate. Changes here are lost.
local arms = Map.new("${mapFile(config, 'arms')}", Map._str)
local special = Map.new("${mapFile(config, 'special')}", Map._str)
local repair = Map.new("${mapFile(config, 'repair')}", Map._str)
-- By environment: since when which token holds, and when each request was last seen waiting. HAProxy ends a nap for good when
-- the visitor leaves: such a request cannot say goodbye, and is known by not being seen any more.
local began = {}
local seen = {}
local serial = 0
-- By environment: since when no instance of it is up.
local lost = {}
-- When the server last said that it is there.
local alive = 0

local function now()
  local time = core.now()
  return time.sec * 1000 + math.floor(time.usec / 1000)
end

local function split(env)
  local value = special:lookup(env)
  if value == nil then return "", "" end
  return value:match("^([^|]*)|(.*)$")
end

local function waiting(env)
  local count, time = 0, now()
  for number, at in pairs(seen[env] or {}) do
    if time - at < ${GONE_MS} then count = count + 1 else seen[env][number] = nil end
  end
  if count == 0 then seen[env] = nil end
  return count
end

-- True when the request may go on; false when it has waited as long as it may. A hold that follows on another is waited for too.
local function wait(txn, env, hold)
  serial = serial + 1
  local number = serial
  if number % 1000 == 0 then for name in pairs(seen) do waiting(name) end end
  -- Should the visitor leave meanwhile, this is where the request ends: no app gets it.
  txn:set_var("txn.be", "nowhere")
  local goes = true
  while hold ~= "" do
    local bound, token = hold:match("^(%d+):(.+)$")
    if began[env] == nil or began[env].token ~= token then began[env] = { token = token, at = now() } end
    if now() - began[env].at >= tonumber(bound) then
      goes = false
      break
    end
    seen[env] = seen[env] or {}
    seen[env][number] = now()
    core.msleep(${NAP_MS})
    hold = split(env)
  end
  if seen[env] then seen[env][number] = nil end
  return goes
end

-- The visitor's bucket: drawn, remembered in a cookie, or made of a header. Who sends no header is in the last one.
local function bucket(txn, by, salt, header)
  if by == "request" then return txn.f:rand(${BUCKETS}) end
  if by == "header" then
    local value = txn.sf:req_fhdr(header)
    if value == "" then return ${BUCKETS - 1} end
    return txn.c:xxh32(value .. salt) % ${BUCKETS}
  end
  local number, of = txn.sf:req_cook("${CANARY_COOKIE}"):match("^(%d+)-([a-z0-9_]+)$")
  if of == salt and tonumber(number) < ${BUCKETS} then return tonumber(number) end
  local drawn = txn.f:rand(${BUCKETS})
  txn:set_var("txn.canary", drawn .. "-" .. salt)
  return drawn
end

-- How many instances of a backend are up. A worker from before a reload may lack the backend.
local function up(name)
  local backend = name ~= "${AGAIN}" and core.backends[name]
  return backend and tonumber(backend:get_stats().act) or 0
end

core.register_action("lockgate_again", { "http-req" }, function(txn)
  local env = txn:get_var("txn.env")
  serial = serial + 1
  local number = serial
  -- Should the visitor leave meanwhile, or nothing come, this is where the request ends.
  txn:set_var("txn.be", "nowhere")
  while true do
    local hold = split(env)
    if hold ~= "" and not wait(txn, env, hold) then return end
    local backend = arms:lookup(env) or "nowhere"
    if up(backend) > 0 then
      lost[env] = nil
      txn:set_var("txn.be", backend)
      break
    end
    local bound = tonumber(repair:lookup(env) or "")
    if bound == nil then break end
    if lost[env] == nil then lost[env] = now() end
    if now() - lost[env] >= bound then break end
    seen[env] = seen[env] or {}
    seen[env][number] = now()
    core.msleep(${NAP_MS})
  end
  if seen[env] then seen[env][number] = nil end
end)

core.register_action("lockgate", { "http-req" }, function(txn)
  local env = txn:get_var("txn.env")
  local hold, share = split(env)
  if hold ~= "" then
    if not wait(txn, env, hold) then return end
    -- While it waited its environment may have moved.
    txn:set_var("txn.be", arms:lookup(env) or "nowhere")
    hold, share = split(env)
  end
  if share == "" then return end
  local backend, percent, by, salt, header = share:match("^([^:]*):([%d.]+):(%a+):([^:]*):(.*)$")
  if up(backend) == 0 then return end
  if bucket(txn, by, salt, header) < tonumber(percent) * ${BUCKETS / 100} then txn:set_var("txn.be", backend) end
end)

-- Whether something answers at the address of a server: HTTP below 500, of h2c an open port.
local function answers(server, speaks_http)
  local address, port = server:get_addr():match("^(.+):(%d+)$")
  local socket = core.tcp()
  socket:settimeout(2)
  if address == nil or not socket:connect(address, tonumber(port)) then return false end
  if not speaks_http then
    socket:close()
    return true
  end
  socket:send("GET / HTTP/1.0\\r\\nUser-Agent: lockgate-probe\\r\\n\\r\\n")
  local status = tonumber((socket:receive("*l") or ""):match("^HTTP/%d%.%d (%d%d%d)") or "")
  socket:close()
  return status ~= nil and status < 500
end

local asking = {}

-- While the server is away, an instance that was in traffic and answers again is put in again here; otherwise that is the server's.
local function put_in_again()
  for name, backend in pairs(core.backends) do
    if name:match("^[ph]%d+_") then
      for slot, server in pairs(backend.servers) do
        local key = name .. "/" .. slot
        if not asking[key] and server:get_stats().status:match("^DOWN") then
          asking[key] = true
          core.register_task(function()
            local ok, good = pcall(answers, server, name:sub(1, 1) == "p")
            if ok and good then server:check_force_up() end
            asking[key] = nil
          end)
        end
        -- HAProxy 3.0 ends a task for good that computes for a second without a break, and the statistics of one server take a while.
        core.yield()
      end
    end
  end
end

core.register_task(function()
  alive = now()
  while true do
    core.msleep(1000)
    -- What came back while nobody asked: the next loss is another one.
    for env in pairs(lost) do if up(arms:lookup(env) or "nowhere") > 0 then lost[env] = nil end end
    if now() - alive > ${ABSENT_MS} then put_in_again() end
  end
end)

core.register_cli({ "lockgate", "alive" }, "lockgate alive : the server of Lockgate is there", function(applet)
  alive = now()
  applet:send("yes\\n")
end)

core.register_cli({ "lockgate", "held" }, "lockgate held ENVIRONMENT : requests that wait because of a hold", function(applet, ...)
  local words = { ... }
  applet:send(waiting(words[#words]) .. "\\n")
end)
`
}
