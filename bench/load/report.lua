-- The figures of a run as one line of JSON. Latencies are microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'bench {"requests":%d,"microseconds":%d,"bytes":%d,"p50":%.1f,"p99":%.1f,"errors":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
