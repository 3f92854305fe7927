// What HAProxy's own language of rules cannot say: requests that wait, and a share of them that goes another way. Only
// environments that stand in special.map come by here; the others pay one look-up of a map.
import { type Config, mapFile } from './schema.ts'

/** Where the program stands. */
export function luaPath(config: Config): string {
  return `${config.directory}/lockgate.lua`
}

/** How long one nap of a request that waits is, milliseconds. */
const NAP_MS = 50

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
local held = {}
local began = {}

local function now()
  local time = core.now()
  return time.sec * 1000 + math.floor(time.usec / 1000)
end

local function split(env)
  local value = special:lookup(env)
  if value == nil then return "", "" end
  return value:match("^([^|]*)|(.*)$")
end

-- True when the request may go on; false when it has waited as long as it may.
local function wait(txn, env, hold)
  local bound, token = hold:match("^(%d+):(.+)$")
  if began[env] == nil or began[env].token ~= token then began[env] = { token = token, at = now() } end
  local last = began[env].at + tonumber(bound)
  if now() >= last then return false end
  held[env] = (held[env] or 0) + 1
  local goes = true
  while true do
    core.msleep(${NAP_MS})
    local current = split(env)
    if current:match("^%d+:(.+)$") ~= token then break end
    if now() >= last then
      goes = false
      break
    end
  end
  held[env] = held[env] - 1
  if held[env] == 0 then held[env] = nil end
  return goes
end

-- The visitor's bucket: drawn, remembered in a cookie, or made of a header. Who sends no header is in the last one.
local function bucket(txn, by, salt, header)
  if by == "request" then return math.random(0, ${BUCKETS - 1}) end
  if by == "header" then
    local value = txn.f:req_hdr(header)
    if value == nil or value == "" then return ${BUCKETS - 1} end
    return txn.c:crc32(value .. salt, 1) % ${BUCKETS}
  end
  local number, of = (txn.f:req_cook("${CANARY_COOKIE}") or ""):match("^(%d+)-([a-z0-9_]+)$")
  if of == salt and tonumber(number) < ${BUCKETS} then return tonumber(number) end
  local drawn = math.random(0, ${BUCKETS - 1})
  txn:set_var("txn.canary", drawn .. "-" .. salt)
  return drawn
end

core.register_action("lockgate", { "http-req" }, function(txn)
  local env = txn:get_var("txn.env")
  local hold, share = split(env)
  if hold ~= "" then
    if not wait(txn, env, hold) then
      txn:set_var("txn.be", "nowhere")
      return
    end
    -- While it waited its environment may have moved.
    txn:set_var("txn.be", arms:lookup(env) or "nowhere")
    hold, share = split(env)
  end
  if share == "" then return end
  local backend, percent, by, salt, header = share:match("^([^:]*):([%d.]+):(%a+):([^:]*):(.*)$")
  if txn.f:nbsrv(backend) == 0 then return end
  if bucket(txn, by, salt, header) < tonumber(percent) * ${BUCKETS / 100} then txn:set_var("txn.be", backend) end
end)

core.register_cli({ "lockgate", "held" }, "lockgate held ENVIRONMENT : requests that wait because of a hold", function(applet, ...)
  local words = { ... }
  applet:send(tostring(held[words[#words]] or 0) .. "\\n")
end)
`
}
