/** Sets a key if it has the expected value and the fence, if given, holds. Keeps the TTL. */
export const replaceScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if KEYS[2] and redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`;

/** Sets a new TTL on a key if it has the expected value. */
export const extendScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/** Removes a key if it has the expected value. */
export const removeIfScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * Returns the server's time. It does not use `TIME`, which the documented permissions of the BFF's
 * Redis user exclude. In a cluster, the time is that of the key's master, so all replicas use one
 * clock.
 */
export const timeScript = `
redis.call('SET', KEYS[1], '1', 'PX', 1000)
local ends = redis.call('PEXPIRETIME', KEYS[1])
redis.call('DEL', KEYS[1])
return ends - 1000`;

/** A function that extends the TTL of a list to that of its newest member. Never shortens it. */
const extendList = `
local function keep(ttl)
  if redis.call('PTTL', KEYS[1]) < tonumber(ttl) then redis.call('PEXPIRE', KEYS[1], ttl) end
end`;

/** Returns 0 from the script if members were revoked at or after `ARGV[2]`. */
const refuseRevoked = `
local closed = redis.call('GET', KEYS[2])
if closed and tonumber(closed) >= tonumber(ARGV[2]) then return 0 end`;

/**
 * Adds or renews a list member and removes stale ones. Writes nothing if members were revoked
 * since.
 */
export const addMemberScript = `${extendList}${refuseRevoked}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
keep(ARGV[5])
return 1`;

/** Checks that a list has a member and that its members were not revoked since. */
export const hasMemberScript = `${refuseRevoked}
return redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0`;

/** Renews a member if it is still in the list. */
export const renewMemberScript = `${extendList}
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
keep(ARGV[4])
return 1`;

/**
 * Takes a slot if one is free. Derives Redis's time from the expiry time of the key, because the
 * documented permissions of the BFF's Redis user do not include `TIME`.
 */
export const takeSlotScript = `
redis.call('ZADD', KEYS[1], '+inf', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local expiresAt = redis.call('PEXPIRETIME', KEYS[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', expiresAt - ARGV[3]))
if redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', expiresAt), ARGV[1])
return 1`;

/**
 * Reads a page by rank. If the previous entry was removed, searches its rank among the entries with
 * the same score. Compares bytes, as Redis does; Lua's own comparison depends on the locale.
 */
export const membersScript = `
local function isAfter(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = one:byte(i), other:byte(i)
    if a ~= b then return a > b end
  end
  return #one > #other
end
local function rankAfter(score, member)
  local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
  local high = low + redis.call('ZCOUNT', KEYS[1], score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if isAfter(redis.call('ZRANGE', KEYS[1], middle, middle)[1], member) then high = middle
    else low = middle + 1 end
  end
  return low
end
local first = ARGV[3] and rankAfter(ARGV[3], ARGV[4])
  or redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[2] - 1, 'WITHSCORES')`;
