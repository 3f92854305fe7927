// What HAProxy's own language of rules cannot say: requests that wait, and a share of them that goes another way. Only
// environments that stand in special.map come by here; the others pay one look-up of a map.
import { type Config, mapFile } from './schema.ts'

/** Where the program stands. */
export function luaPath(config: Config): string {
  return `${config.directory}/lockgate.lua`
}

/** How long one nap of a request that waits is, and after how long one that was not seen napping is gone, milliseconds. */
const NAP_MS = 50
const GONE_MS = 1_000

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
-- By environment: since when which token holds, and when each request was last seen waiting. HAProxy ends a nap for good when
-- the visitor leaves: such a request cannot say goodbye, and is known by not being seen any more.
local began = {}
local seen = {}
local serial = 0

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
  -- A worker from before a reload may lack the backend.
  local known, ready = pcall(function() return txn.f:nbsrv(backend) end)
  if not known or ready == 0 then return end
  if bucket(txn, by, salt, header) < tonumber(percent) * ${BUCKETS / 100} then txn:set_var("txn.be", backend) end
end)

core.register_cli({ "lockgate", "held" }, "lockgate held ENVIRONMENT : requests that wait because of a hold", function(applet, ...)
  local words = { ... }
  applet:send(waiting(words[#words]) .. "\\n")
end)
`
}
