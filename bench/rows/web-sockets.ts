import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { type Contender, originOf, withFresh } from '../contender.ts';
import { usageOf } from '../process-tree.ts';
import type { Results } from '../results.ts';

/** As many are opened at the same time. */
const batch = 100;

/** Milliseconds until memory is what it will be. */
const settling = 1000;

/**
 * Opens idle WebSockets through everybody who accepts one, and notes what each adds to the proxy's
 * memory.
 */
export async function measureWebSockets(bench: Bench, results: Results): Promise<void> {
  for (const { recipe } of bench.contenders) {
    await withFresh(recipe, bench.backends, async (contender) => {
      const sockets = await openMany(contender, batch);
      if (sockets.length < batch) return;
      // What the first ones take once and for all is there.
      await delay(settling);
      const before = usageOf(contender.child.pid).resident;
      const more = await openMany(contender, bench.webSockets - batch);
      await delay(settling);
      const grown = usageOf(contender.child.pid).resident - before;
      results.note(`websockets ${contender.name}`, sockets.length + more.length);
      results.note(`websocket memory ${contender.name}`, grown / more.length);
      // Closed in the usual way, their ports would be taken for a minute, and there are so many.
      for (const socket of [...sockets, ...more]) socket.resetAndDestroy();
    });
  }
}

/** As many as are accepted of so many. */
async function openMany(contender: Contender, howMany: number): Promise<Socket[]> {
  const opened: Socket[] = [];
  while (opened.length < howMany) {
    const some = await Promise.all(Array.from({ length: batch }, () => open(contender)));
    const accepted = some.filter((socket) => socket !== undefined);
    opened.push(...accepted);
    if (accepted.length < batch) break;
  }
  return opened;
}

/** An upgraded connection. Absent: the proxy did not answer `101`. */
function open({ port, headers }: Contender): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const lines = Object.entries({
      ...headers,
      Origin: originOf(port),
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    const refuse = () => {
      socket.destroy();
      resolve(undefined);
    };
    socket.setTimeout(5000, refuse);
    socket.once('connect', () => socket.write(`GET /api/socket HTTP/1.1\r\n${lines.join('')}\r\n`));
    socket.once('data', (data) => {
      if (!data.toString('latin1').startsWith('HTTP/1.1 101 ')) return refuse();
      socket.setTimeout(0);
      resolve(socket.resume());
    });
    socket.on('error', refuse).once('close', refuse);
  });
}
