import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { type Contender, withFresh } from '../contender.ts';
import { usageOf } from '../process-tree.ts';
import type { Results } from '../results.ts';

/** Who is measured: the limit, and us. */
const who = new Set(['bare', 'pixie']);

/**
 * A reader that stops reads this much first, in bytes, and then stands still for so many
 * milliseconds.
 */
const slowReader = { first: 1024 * 1024, still: 3000 };

/**
 * Large bodies one at a time, and the most by which resident memory grows meanwhile: nothing may be
 * buffered.
 */
export async function measureLargeBodies(bench: Bench, results: Results): Promise<void> {
  const { largeBody: size, backends } = bench;
  const passages: Record<string, (contender: Contender) => Promise<void>> = {
    down: (contender) => download(contender, size),
    up: (contender) => upload(contender, size),
    slow: (contender) => readSlowly(contender, size),
  };
  for (const { name, recipe } of bench.contenders) {
    if (!who.has(name)) continue;
    for (const [way, passage] of Object.entries(passages)) {
      await withFresh(recipe, backends, async (contender) => {
        // What any stream at all takes is there afterwards.
        await download(contender, size / 16);
        await upload(contender, size / 16);
        const { growth, seconds } = await watchMemory(contender.child.pid, () =>
          passage(contender),
        );
        results.note(`large ${way} growth ${name}`, growth);
        if (way !== 'slow') results.note(`large ${way} rate ${name}`, size / 1e6 / seconds);
      });
    }
  }
}

async function watchMemory(pid: number, passage: () => Promise<void>) {
  const before = usageOf(pid).resident;
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, usageOf(pid).resident)), 50);
  const start = performance.now();
  try {
    await passage();
  } finally {
    clearInterval(watch);
  }
  return { growth: most - before, seconds: (performance.now() - start) / 1000 };
}

async function download(contender: Contender, size: number): Promise<void> {
  const outgoing = startRequest(contender, 'GET', `/api/bytes/${size}`);
  outgoing.end();
  const response = await responseTo(outgoing);
  let received = 0;
  response.on('data', (part: Buffer) => (received += part.length));
  await once(response, 'end');
  if (received !== size) throw new Error(`${received} of ${size} bytes came down.`);
}

async function upload(contender: Contender, size: number): Promise<void> {
  const outgoing = startRequest(contender, 'POST', '/api/sink', { 'Content-Length': size });
  const responding = responseTo(outgoing);
  await pipeline(Readable.from(parts(size)), outgoing);
  const response = await responding;
  const text = (await response.toArray()).join('');
  if (text !== JSON.stringify({ received: size })) throw new Error(`The API got ${text}.`);
}

/** The rest of the body has to wait at the API, not in the proxy. */
async function readSlowly(contender: Contender, size: number): Promise<void> {
  const outgoing = startRequest(contender, 'GET', `/api/bytes/${size}`);
  outgoing.end();
  const response = await responseTo(outgoing);
  // We hang up on it below.
  response.on('error', () => undefined);
  let received = 0;
  await new Promise<void>((resolve) => {
    response.on('data', (part: Buffer) => {
      received += part.length;
      if (received < slowReader.first) return;
      response.pause();
      resolve();
    });
  });
  await delay(slowReader.still);
  outgoing.destroy();
}

function* parts(size: number): Generator<Buffer> {
  const part = Buffer.alloc(64 * 1024, 'x');
  for (let left = size; left > 0; left -= part.length) yield part.subarray(0, left);
}

function startRequest(
  { port, headers }: Contender,
  method: string,
  path: string,
  more: Readonly<Record<string, string | number>> = {},
): ClientRequest {
  return request({ host: '127.0.0.1', port, method, path, headers: { ...headers, ...more } });
}

async function responseTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`The answer was ${response.statusCode}.`);
  return response;
}
