import type { Bench } from './bench.ts';
import type { Results } from './results.ts';
import { loadRows } from './rows/loads.ts';
import { megabytes, milliseconds, shown, table } from './table.ts';
import { judge } from './targets.ts';

/** Everything that was measured, as Markdown. */
export function report(bench: Bench, results: Results): string {
  const parts = [
    loads(bench, results),
    bench.notRun.join('\n'),
    signIns(bench, results),
    largeBodies(bench, results),
    webSockets(bench, results),
    start(results),
    judge(results),
  ];
  return parts.filter(Boolean).join('\n\n');
}

function loads({ contenders, sessions }: Bench, results: Results): string {
  const rows = loadRows(sessions).flatMap(({ name, title }) =>
    contenders.flatMap(({ name: contender, recipe }) => {
      const sample = results.sample(name, contender);
      if (!sample) return [];
      const { errors } = sample;
      const wrong = errors > 0 ? ` (${shown(errors * 100, 2)}% errors)` : '';
      return [
        [
          title,
          recipe.title + wrong,
          shown(sample.requestsPerSecond),
          milliseconds(sample.p50),
          milliseconds(sample.p99),
          shown(sample.cpu),
          recipe.loginPath ? shown(sample.redisCommands, 2) : '–',
          megabytes(sample.resident),
          shown(sample.megabytesPerSecond),
        ],
      ];
    }),
  );
  const head = 'call,proxy,requests/s,p50 ms,p99 ms,CPU µs,Redis/call,memory MB,MB/s'.split(',');
  return rows.length > 0 ? table(head, rows) : '';
}

function signIns({ contenders }: Bench, results: Results): string {
  const rows = contenders.flatMap(({ name, recipe }) => {
    const rate = results.figure(`sign-ins per second ${name}`);
    const cpu = results.figure(`sign-in cpu ${name}`);
    return rate === undefined ? [] : [[recipe.title, shown(rate), milliseconds(cpu)]];
  });
  return rows.length > 0 ? table(['sign-in', 'sign-ins/s', 'CPU ms each'], rows) : '';
}

function largeBodies({ contenders, largeBody }: Bench, results: Results): string {
  const titles = { down: 'down', up: 'up', slow: 'down, to a reader that stops' };
  const rows = Object.entries(titles).flatMap(([way, title]) =>
    contenders.flatMap(({ name, recipe }) => {
      const growth = results.figure(`large ${way} growth ${name}`);
      const rate = results.figure(`large ${way} rate ${name}`);
      const size = `${shown(largeBody / 1024 ** 2)} MB ${title}`;
      return growth === undefined ? [] : [[size, recipe.title, shown(rate), megabytes(growth, 1)]];
    }),
  );
  return rows.length > 0 ? table(['one body', 'proxy', 'MB/s', 'memory grew by MB'], rows) : '';
}

function webSockets({ contenders }: Bench, results: Results): string {
  const rows = contenders.flatMap(({ name, recipe }) => {
    const open = results.figure(`websockets ${name}`);
    const each = results.figure(`websocket memory ${name}`);
    return open === undefined ? [] : [[recipe.title, shown(open), shown((each ?? NaN) / 1000, 1)]];
  });
  return rows.length > 0 ? table(['idle WebSockets', 'open', 'memory KB each'], rows) : '';
}

function start(results: Results): string {
  const titles = {
    pixie: 'Pixie BFF',
    first: 'Pixie BFF, its first start ever',
    nest: 'an empty Nest application',
    node: 'node alone',
  };
  const rows = Object.entries(titles).flatMap(([name, title]) => {
    const time = results.figure(`start ${name}`);
    const cpu = results.figure(`start cpu ${name}`);
    return time === undefined ? [] : [[title, shown(time), shown(cpu)]];
  });
  return rows.length > 0 ? table(['start to `listening`', 'ms', 'CPU ms'], rows) : '';
}
