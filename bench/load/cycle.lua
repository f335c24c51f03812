-- The cookies of a file, one a line, one after the other, from another one on in each run: what the last run asked for may
-- be remembered. Requests are made before the run, so that it costs nothing then.
dofile("bench/load/report.lua")

local requests = {}
local index = 0

function init(arguments)
  for cookie in io.lines(arguments[1]) do
    wrk.headers["Cookie"] = cookie
    requests[#requests + 1] = wrk.format()
  end
  math.randomseed(os.time())
  index = math.random(#requests)
end

function request()
  index = index % #requests + 1
  return requests[index]
end
