import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../../dist/telemetry/standard-output.js', import.meta.url));

/** The arguments of a process that runs a few statements with an `output`. */
function program(statements: string): string[] {
  const script = `import { StandardOutput } from ${JSON.stringify(built)};
    const output = new StandardOutput(); ${statements}`;
  return ['--input-type=module', '--eval', script];
}

function run(statements: string, stdout: 'pipe' | number = 'pipe') {
  const { status, stdout: written } = spawnSync(process.execPath, program(statements), {
    stdio: ['ignore', stdout, 'inherit'],
    encoding: 'utf8',
    timeout: 15_000,
    maxBuffer: 2 ** 27,
  });
  return { status, written };
}

describe('standard output', () => {
  it('gets every line in its order, when the process waits for the end', () => {
    const { status, written } = run(`
      for (let n = 0; n < 1000; n += 1) output.write(n + '\\n');
      setTimeout(async () => { output.write('last\\n'); await output.end(); process.exit(3); }, 10);`);
    expect(status).toBe(3);
    const numbers = Array.from({ length: 1000 }, (_, n) => String(n));
    expect(written.split('\n')).toEqual([...numbers, 'last', '']);
  });

  it('gets lines of any length and every letter, by the megabyte', () => {
    const { status, written } = run(`
      for (let n = 0; n < 3000; n += 1) output.write('é€😀'.repeat(n % 700) + n + '\\n');
      output.write('x'.repeat(300_000) + '\\n');
      setTimeout(() => output.write('y'.repeat(100) + '\\n'), 5);
      setTimeout(async () => { await output.end(); process.exit(0); }, 50);`);
    const lines = Array.from({ length: 3000 }, (_, n) => 'é€😀'.repeat(n % 700) + n);
    const last = ['x'.repeat(300_000), 'y'.repeat(100), ''];
    expect(status).toBe(0);
    expect(written === [...lines, ...last].join('\n')).toBe(true);
  });

  it('makes lines at the latest when a thousand are to be made', () => {
    const { written } = run(`
      let made = 0;
      for (let n = 0; n < 2500; n += 1) output.writeLater(() => { made += 1; return ''; });
      const soFar = made; output.writeLater(() => soFar + '\\n');`);
    expect(written).toBe('2000\n');
  });

  it('gets the last lines of a process that ends without waiting', () => {
    expect(run(`output.write('one\\n'); process.exit(4);`)).toEqual({
      status: 4,
      written: 'one\n',
    });
    const { written } = run(`output.writeLater(() => 2 + '\\n'); process.exit(4);`);
    expect(written).toBe('2\n');
  });

  it('gets lines that are made later in their order with the others, however many', () => {
    const { status, written } = run(`
      const line = (n) => n + '\\n';
      for (let n = 0; n < 5000; n += 1) n % 3 === 0 ? output.write(line(n)) : output.writeLater(() => line(n));
      for (let n = 5000; n < 9000; n += 1) output.writeLater(() => line(n));
      setTimeout(async () => { output.writeLater(() => line('last')); await output.end(); process.exit(3); }, 10);`);
    expect(status).toBe(3);
    const numbers = Array.from({ length: 9000 }, (_, n) => String(n));
    expect(written.split('\n')).toEqual([...numbers, 'last', '']);
  });

  it('that takes nothing any more, as a full disk, delays no request', () => {
    const { status } = run(
      `output.write('lost\\n'); output.flushSync(); output.write('lost too\\n');
      await output.end(); output.write('and this\\n'); process.exit(5);`,
      openSync('/dev/full', 'w'),
    );
    expect(status).toBe(5);
  });

  it('drops lines beyond 64 MB that wait for the reader, and says how many', () => {
    const { written } = run(`
      let dropped = 0;
      output.onDrop((lines) => { dropped += lines; });
      for (let n = 0; n < 70_000; n += 1) output.write('x'.repeat(1023) + '\\n');
      await output.end(); output.write('dropped ' + dropped + '\\n');`);
    const lines = written.trimEnd().split('\n');
    const dropped = Number(lines.pop()?.split(' ')[1]);
    expect(dropped).toBeGreaterThan(0);
    expect(lines.length + dropped).toBe(70_000);
    expect(written.length).toBeLessThanOrEqual(2 ** 26 + 20);
  });

  it('does not keep a process whose reader is blocked', async () => {
    const child = spawn(
      process.execPath,
      program(`
      for (let n = 0; n < 5000; n += 1) output.write('x'.repeat(200) + '\\n');
      void output.end();
      setTimeout(() => { process.stderr.write('exits'); process.exit(0); }, 100);`),
      { timeout: 10_000 },
    );
    child.stdout.pause();
    await once(child.stderr, 'data');
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  });
});
