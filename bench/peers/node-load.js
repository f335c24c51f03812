/**
 * The load where there is no wrk: as many keep-alive connections, each asking again as soon as it is answered. It takes more
 * of the machine than wrk does. `node node-load.js <configuration as JSON>`
 */
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';

const { port, path, headers, connections, seconds, cookiesFile } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const cookies = cookiesFile ? readFileSync(cookiesFile, 'utf8').trimEnd().split('\n') : [];
const latencies = [];
let [bytes, errors] = [0, 0];
// From another one on in each run: what the last run asked for may be remembered.
let next = Math.floor(Math.random() * cookies.length);

const start = process.hrtime.bigint();
const end = start + BigInt(seconds * 1e9);
await Promise.all(Array.from({ length: connections }, ask));
const nanoseconds = process.hrtime.bigint() - start;
latencies.sort((a, b) => a - b);
console.log(
  `bench ${JSON.stringify({
    requests: latencies.length,
    microseconds: Number(nanoseconds) / 1000,
    bytes,
    p50: quantile(0.5),
    p99: quantile(0.99),
    errors,
  })}`,
);
process.exit(0);

async function ask() {
  while (process.hrtime.bigint() < end) {
    const begun = performance.now();
    await answer().then(
      () => latencies.push((performance.now() - begun) * 1000),
      () => (errors += 1),
    );
  }
}

function answer() {
  const cookie = cookies.length > 0 ? { cookie: cookies[next++ % cookies.length] } : {};
  return new Promise((resolve, reject) => {
    const request = get(
      { host: '127.0.0.1', port, path, agent, headers: { ...headers, ...cookie } },
      (response) => {
        if (response.statusCode > 399) errors += 1;
        response.on('data', (part) => (bytes += part.length));
        response.on('end', resolve).on('error', reject);
      },
    );
    request.on('error', reject);
  });
}

function quantile(part) {
  return latencies[Math.max(0, Math.ceil(latencies.length * part) - 1)] ?? 0;
}
