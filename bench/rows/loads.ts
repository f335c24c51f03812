import type { Contender } from '../contender.ts';
import type { Load } from '../load/load.ts';
import type { Results } from '../results.ts';
import { takeSample } from '../sample.ts';
import type { Bench } from '../bench.ts';

/** A row of the table: one load, put on all contenders in turn. */
export interface LoadRow {
  readonly name: string;
  readonly title: string;
  readonly load: Load;
  /**
   * `stored`: that many other sessions lie in Redis. `cycled`: each call comes with the next one of
   * them.
   */
  readonly sessions?: 'stored' | 'cycled';
  /** Each round's seconds come in turns of one, not at a stretch. */
  readonly inShortTurns?: true;
}

/** Every row, in the order they are measured: those with many sessions last, since they stay. */
export function loadRows(sessions: number): readonly LoadRow[] {
  const many = sessions.toLocaleString('en');
  return [
    {
      name: 'calls',
      title: '1 KB, 64 connections',
      load: { path: '/api/hello' },
      inShortTurns: true,
    },
    {
      name: 'connections-1',
      title: '1 KB, 1 connection',
      load: { path: '/api/hello', connections: 1 },
    },
    {
      name: 'connections-1000',
      title: '1 KB, 1,000 connections',
      load: { path: '/api/hello', connections: 1000 },
    },
    { name: 'body-100k', title: '100 KB, 64 connections', load: { path: '/api/bytes/102400' } },
    {
      name: 'body-10m',
      title: '10 MB, 8 connections',
      load: { path: '/api/bytes/10485760', connections: 8 },
    },
    {
      name: 'sessions-stored',
      title: `1 KB, 64 connections, ${many} other sessions in Redis`,
      load: { path: '/api/hello' },
      sessions: 'stored',
      inShortTurns: true,
    },
    {
      name: 'sessions-cycled',
      title: `1 KB, 64 connections, ${many} sessions in turn`,
      load: { path: '/api/hello' },
      sessions: 'cycled',
    },
  ];
}

/** Who has been under load before: compilers have learnt, pools are full. */
const warm = new WeakSet<Contender>();

/**
 * Measures a row, round robin, so that what else happens on the machine happens to all: neighbours
 * come and go within seconds, so the shorter the turns, the less it matters who had which.
 */
export async function measureLoad(row: LoadRow, bench: Bench, results: Results): Promise<void> {
  const taking = bench.contenders.filter((contender) => takesPart(row, contender));
  const files = row.sessions && (await bench.cookieFiles());
  const cookiesFile = (contender: Contender) =>
    row.sessions === 'cycled' ? files?.get(contender.name) : undefined;
  const { meter } = bench;
  const turns = row.inShortTurns ? Math.max(1, Math.round(bench.seconds)) : 1;
  const seconds = bench.seconds / turns;
  for (let round = -1; round < bench.rounds * turns; round += 1) {
    for (const contender of taking) {
      const isWarmUp = round < 0;
      // Of many sessions none is known yet.
      const isWarm = warm.has(contender) && row.sessions !== 'cycled';
      const warmUp = isWarm ? 1 : bench.warmUp;
      warm.add(contender);
      const settings = {
        seconds: isWarmUp ? warmUp : seconds,
        meter,
        cookiesFile: cookiesFile(contender),
      };
      const sample = await takeSample(row.load, contender, settings);
      if (!isWarmUp) results.add(row.name, contender.name, sample);
    }
  }
}

/**
 * Sessions can be written in bulk for some only; the bare proxy, which has none, is the measure for
 * the others.
 */
function takesPart({ sessions }: LoadRow, { recipe }: Contender): boolean {
  if (sessions === undefined) return true;
  if (sessions === 'stored' && !recipe.loginPath) return true;
  return recipe.writeSessions !== undefined;
}
