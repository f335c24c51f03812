import { type Contender, type Recipe, startContender } from './contender.ts';
import { apache } from './contenders/apache.ts';
import { bare } from './contenders/bare.ts';
import { express } from './contenders/express.ts';
import { oauth2Proxy } from './contenders/oauth2-proxy.ts';
import { pixie } from './contenders/pixie.ts';
import { wonderwall } from './contenders/wonderwall.ts';
import { type Backends, startBackends } from './backends.ts';
import { writeCookieFiles } from './cookie-files.ts';
import { openRedisMeter, type RedisMeter } from './redis-meter.ts';

/** Everybody who may take part, in the order of the table. */
export const recipes: readonly Recipe[] = [bare, pixie, express, apache, oauth2Proxy, wonderwall];

/** How long and how much is measured. */
export interface Extent {
  readonly rounds: number;
  readonly seconds: number;
  /** Seconds of load before a proxy's first round, which do not count. */
  readonly warmUp: number;
  readonly sessions: number;
  readonly webSockets: number;
  /** Of the large bodies, in bytes. */
  readonly largeBody: number;
}

/** A running bench: its ground and everybody who could be started on it. */
export interface Bench extends Extent {
  readonly backends: Backends;
  readonly contenders: readonly Contender[];
  /** Why others do not take part, a line each. */
  readonly notRun: readonly string[];
  readonly meter: RedisMeter;
  /**
   * The sessions of the rows with many of them, written when first asked for: a file of `Cookie`
   * headers by contender.
   */
  cookieFiles(): Promise<Map<string, string>>;
  close(): Promise<void>;
}

/** Starts everybody and signs in to each. Who cannot be started is named, and stops nobody. */
export async function startBench(extent: Extent, wanted: readonly string[]): Promise<Bench> {
  const backends = await startBackends();
  const meter = await openRedisMeter(backends.redis.url);
  const contenders: Contender[] = [];
  const notRun: string[] = [];
  for (const recipe of recipes.filter(({ name }) => wanted.includes(name))) {
    const missing = recipe.missing?.();
    if (missing) notRun.push(`not run: ${recipe.title}: ${missing}`);
    else await startOne(recipe, backends, contenders, notRun);
  }
  let files: Promise<Map<string, string>> | undefined;
  return {
    ...extent,
    backends,
    contenders,
    notRun,
    meter,
    cookieFiles: () => (files ??= writeCookieFiles({ contenders, backends }, extent.sessions)),
    close: async () => {
      meter.close();
      await Promise.all(contenders.map(({ child }) => child.close()));
      await backends.close();
    },
  };
}

async function startOne(
  recipe: Recipe,
  backends: Backends,
  contenders: Contender[],
  notRun: string[],
): Promise<void> {
  try {
    contenders.push(await startContender(recipe, backends));
  } catch (error) {
    notRun.push(`not run: ${recipe.title}: ${(error as Error).message}`);
  }
}
