import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const megabyte = 1024 ** 2;

/** A process that keeps all it makes, and prints how much room its young objects had in the end, in bytes. */
const keeper = (hold: string) => `
  import { getHeapSpaceStatistics } from 'node:v8';
  import { ${hold} as look } from ${JSON.stringify(fileURLToPath(new URL('../src/garbage-collection.ts', import.meta.url)))};
  const room = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size;
  const kept = [];
  const keep = () => kept.push({ like: [kept.length, String(kept.length)] });
  while (room() < ${32 * megabyte}) keep();
  look();
  for (let more = 0; more < 1_500_000; more += 1) keep();
  console.log(room());
`;

async function roomIn(script: string): Promise<number> {
  const { stdout } = await run(process.execPath, [
    '--no-warnings',
    '--input-type=module',
    '-e',
    script,
  ]);
  return Number(stdout);
}

describe('the room for young objects', () => {
  it('stays as it is once there is enough, however many of them survive', async () => {
    expect(await roomIn(keeper('holdRoomForYoungObjects'))).toBe(32 * megabyte);
  });

  it('would grow otherwise', async () => {
    expect(await roomIn(keeper('tuneGarbageCollection'))).toBeGreaterThanOrEqual(64 * megabyte);
  });
});
