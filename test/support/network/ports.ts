import { createServer } from 'node:net';

// Below the ephemeral ranges of Linux and macOS, so that an outgoing connection never takes a port
// we gave away; each Jest worker has a stretch of its own, so that two workers never give away the
// same one.
const firstPort = 12_000;
const portsPerWorker = 1_500;
const worker = Number(process.env['JEST_WORKER_ID'] ?? 0) % 12;
let next = Math.floor(Math.random() * portsPerWorker);

/** Returns a free loopback TCP port that this process has not been given before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < portsPerWorker; attempt += 1) {
    next = (next + 1) % portsPerWorker;
    const port = firstPort + worker * portsPerWorker + next;
    if (await isFree(port)) return port;
  }
  throw new Error('There is no free loopback port for the tests.');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
