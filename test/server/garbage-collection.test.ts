import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const megabyte = 1024 ** 2;
const code = JSON.stringify(
  fileURLToPath(new URL('../../src/server/garbage-collection.ts', import.meta.url)),
);

/** For a process that keeps what it makes. */
const keeper = `
  import { setImmediate } from 'node:timers/promises';
  import { getHeapSpaceStatistics } from 'node:v8';
  import { holdRoomForYoungObjects as hold } from ${code};
  const room = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size;
  const kept = [];
  const keep = async (objects) => {
    for (let made = 0; made < objects; made += 1) {
      kept.push({ like: [kept.length, String(kept.length)] });
      if (made % 1000 === 0) await setImmediate();
    }
  };
  const growTo = async (size) => {
    while (room() < size) await keep(1000);
  };
`;

/** What the process prints in the end, in bytes. */
async function roomAfter(script: string): Promise<number> {
  const flags = ['--no-warnings', '--expose-gc', '--input-type=module', '-e'];
  const { stdout } = await run(process.execPath, [...flags, keeper + script], { timeout: 20_000 });
  return Number(stdout);
}

describe('the room for young objects', () => {
  const grow = `await growTo(${30 * megabyte});`;
  const keepMore = 'await keep(1_500_000); console.log(room())';

  it('stays as it is once there is enough, however many of them survive', async () => {
    expect(await roomAfter(`hold(); ${grow} ${keepMore}`)).toBe(32 * megabyte);
  });

  it('would grow otherwise', async () => {
    expect(await roomAfter(`${grow} ${keepMore}`)).toBeGreaterThanOrEqual(64 * megabyte);
  });

  /** Ten requests for each that is still under way: most of what is made dies at once. */
  const serve = `
    const end = Date.now() + 6000;
    while (room() < ${64 * megabyte} && Date.now() < end) {
      const underWay = [];
      for (let made = 0; made < 300_000; made += 1) {
        const answer = { like: [made, String(made)] };
        if (made % 10 === 0) underWay.push(answer);
        if (underWay.length > 2000) underWay.length = 0;
      }
      await setImmediate();
    }
    console.log(room());
  `;

  it('grows as V8 lets it where very many objects are made and few survive', async () => {
    expect(await roomAfter(`hold(); ${grow} ${serve}`)).toBeGreaterThanOrEqual(64 * megabyte);
  });

  /** A collection that gives back all it can, as V8 does in a quiet moment. */
  const rest = `gc({ type: 'major', flavor: 'last-resort' });`;
  const keepAFew = 'await keep(60_000); console.log(room())';

  it('is there again soon after a quiet moment', async () => {
    const room = await roomAfter(`hold(); ${grow} ${rest} ${keepAFew}`);
    expect(room).toBeGreaterThanOrEqual(24 * megabyte);
  });

  it('would come again slowly otherwise', async () => {
    const room = await roomAfter(`${grow} ${rest} ${keepAFew}`);
    expect(room).toBeLessThan(24 * megabyte);
  });
});
