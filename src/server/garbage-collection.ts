import {
  type PerformanceEntry,
  PerformanceObserver,
  type PerformanceObserverEntryList,
} from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * The wanted size of V8's young generation, in bytes. It consists of two halves. A larger one makes
 * requests cheaper only with very many connections.
 */
const wantedRoom = 32 * 1024 ** 2;
const enoughRoom = 24 * 1024 ** 2;

/** The default growth factor of V8. With it the young generation grows to 134 MB at most. */
const usualStep = 2;

/**
 * The process is under load if the last `collections` collections began within `within`
 * milliseconds and took `taking` milliseconds or less in all, so that few objects survived.
 */
const busy = { collections: 10, within: 500, taking: 50 };

/**
 * Milliseconds until the flag is changed. Code loaded by then was compiled with the initial flags,
 * and V8 accepts its cache only with the same flags.
 */
const start = 1000;

/**
 * Sets V8's garbage collection flags for a server that streams bodies. Call it before there is any
 * load.
 */
export function tuneGarbageCollection(): void {
  // Otherwise every 64 MB of streamed bodies start a full collection: ten per second at the speed
  // of a local network.
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  // Otherwise V8 may classify objects of the first busy moment as long-lived for good. They and
  // their requests then stay in memory until the next full collection.
  setFlagsFromString('--no-allocation-site-pretenuring');
  setTimeout(holdRoomForYoungObjects, start).unref();
}

/**
 * Lets the young generation grow to about 32 MB at once, and further only under load. V8 shrinks it
 * after an idle period and then doubles it step by step, with hundreds of collections per second
 * until it is large enough. With many connections V8 would make it four times as large, although
 * they create few short-lived objects.
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
  // Only a collection changes the size.
  new PerformanceObserver(lookAtRoom).observe({ type: 'gc' });
}

function isBusy(latest: readonly PerformanceEntry[]): boolean {
  const [first] = latest;
  const last = latest.at(-1);
  if (!first || !last || latest.length < busy.collections) return false;
  const took = latest.reduce((sum, { duration }) => sum + duration, 0);
  return last.startTime - first.startTime <= busy.within && took <= busy.taking;
}

/** The factor by which V8 may enlarge the young generation. */
function nextStep(underLoad: boolean): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  if (!young || young.space_size >= enoughRoom) return underLoad ? usualStep : 1;
  // If V8 has shrunk it, the statistics count one half only.
  return Math.max(usualStep, Math.floor(wantedRoom / 2 / young.space_size));
}
