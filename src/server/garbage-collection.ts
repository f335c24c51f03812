import {
  type PerformanceEntry,
  PerformanceObserver,
  type PerformanceObserverEntryList,
} from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * As much room for young objects is wanted, in bytes; more makes calls cheaper only where there are
 * very many. It has two halves.
 */
const wantedRoom = 32 * 1024 ** 2;
const enoughRoom = 24 * 1024 ** 2;

/** V8's own step, which leads to 134 MB and no further. */
const usualStep = 2;

/**
 * Under load so many collections come within so many milliseconds, and find so little to keep that
 * all of them take so few.
 */
const busy = { collections: 10, within: 500, taking: 50 };

/**
 * Milliseconds. What is loaded until then was compiled with the flags of the start, and V8 takes it
 * back with no others.
 */
const start = 1000;

/**
 * Tells V8's garbage collector what it cannot guess of a server that passes things on. To be called
 * before there is any load.
 */
export function tuneGarbageCollection(): void {
  // Otherwise every 64 MB of streamed bodies begin a full collection, ten a second at the pace of a
  // local network.
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  // Otherwise objects of the first busy moment may be taken for lasting ones for good: then they,
  // and the requests they belong to, stay until the next full collection.
  setFlagsFromString('--no-allocation-site-pretenuring');
  setTimeout(holdRoomForYoungObjects, start).unref();
}

/**
 * Lets the room for young objects grow to about 32 MB at once, and further only under load. V8
 * makes it small after a quiet moment, and would double it step by step: until then it collects
 * hundreds of times a second. And it would give many connections at once four times as much, though
 * they make few objects that die young.
 */
export function holdRoomForYoungObjects(): void {
  let step = 0;
  let latest: PerformanceEntry[] = [];
  const lookAtRoom = (list?: PerformanceObserverEntryList) => {
    latest = [...latest, ...(list?.getEntries() ?? [])].slice(-busy.collections);
    const next = nextStep(isBusy(latest));
    if (next !== step) setFlagsFromString(`--semi-space-growth-factor=${next}`);
    step = next;
  };
  lookAtRoom();
  // Only a collection changes it.
  new PerformanceObserver(lookAtRoom).observe({ type: 'gc' });
}

function isBusy(latest: readonly PerformanceEntry[]): boolean {
  const [first] = latest;
  const last = latest.at(-1);
  if (!first || !last || latest.length < busy.collections) return false;
  const took = latest.reduce((sum, { duration }) => sum + duration, 0);
  return last.startTime - first.startTime <= busy.within && took <= busy.taking;
}

/** How many times larger it may become. */
function nextStep(underLoad: boolean): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  if (!young || young.space_size >= enoughRoom) return underLoad ? usualStep : 1;
  // Of a room that V8 made small, one half is counted.
  return Math.max(usualStep, Math.floor(wantedRoom / 2 / young.space_size));
}
