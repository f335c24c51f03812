-- The cookies of a file, one a line, one after the other. Requests are made before the run, so that it costs nothing then.
dofile("bench/load/report.lua")

local requests = {}
local index = 0

function init(arguments)
  for cookie in io.lines(arguments[1]) do
    wrk.headers["Cookie"] = cookie
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  index = index % #requests + 1
  return requests[index]
end
