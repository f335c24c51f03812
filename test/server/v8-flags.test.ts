import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { v8Flags } from '../../src/server/v8-flags.ts';
import { Command, plainOptions, program, writeConfig } from '../support/bff/built-server.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';

const megabyte = 1024 ** 2;

/** Lets each process of a command print its flags and the size of its young generation. */
const report = `import { getHeapSpaceStatistics as spaces } from 'node:v8';
  const { space_size: size } = spaces().find(({ space_name: name }) => name === 'new_space');
  process.stderr.write(JSON.stringify({ flags: process.execArgv, size }) + '\\n');`;
const reporting = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(report)}`,
};

interface Report {
  readonly flags: readonly string[];
  readonly size: number;
}

function reportsIn(stderr: string): Report[] {
  const lines = stderr.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Report);
}

function expectFlags({ flags, size }: Report): void {
  expect(flags).toEqual(expect.arrayContaining([...v8Flags]));
  expect(size).toBeGreaterThanOrEqual(16 * megabyte);
}

describe('the flags of V8 are given at the start', () => {
  it('of the command, when its file is executed', async () => {
    const { PATH = '' } = process.env;
    const env = { PATH, ...reporting };
    const { stderr } = await promisify(execFile)(program, ['version'], { env });
    const reports = reportsIn(stderr);
    expect(reports).toHaveLength(1);
    for (const one of reports) expectFlags(one);
  });

  it('of npm start, which executes the file', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    expect(scripts['start']).toBe('exec dist/main.js');
  });

  it('of the image', () => {
    const dockerfile = readFileSync('Dockerfile', 'utf8');
    const entrypoints = dockerfile.match(/(?<=^ENTRYPOINT ).*$/gm) ?? [];
    expect(JSON.parse(entrypoints.at(-1) ?? '')).toEqual(['node', ...v8Flags, 'dist/main.js']);
  });

  it('of every worker, even if the first process has none', async () => {
    const redis = await startRedis();
    const { server, ...options } = await plainOptions({ redis: { url: redis.url } });
    const config = writeConfig({ ...options, server: { ...server, workers: 2 } });
    await using command = new Command(['--config', config], reporting, []);
    await command.line('listening');
    const [primary, ...workers] = await waitFor(() => {
      const reports = reportsIn(command.stderr);
      return reports.length === 3 && reports;
    });
    expect(primary?.flags).toEqual([]);
    for (const worker of workers) expectFlags(worker);
    await redis.stop();
  });
});
