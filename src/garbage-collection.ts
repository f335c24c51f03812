import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * Tells V8's garbage collector what it cannot guess of a server that passes things on. To be called before there is any load.
 */
export function tuneGarbageCollection(): void {
  // Otherwise every 64 MB of streamed bodies begin a full collection, ten a second at the pace of a local network.
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  // Otherwise objects of the first busy moment may be taken for lasting ones for good: then they, and the requests they
  // belong to, stay until the next full collection.
  setFlagsFromString('--no-allocation-site-pretenuring');
}

/** As much room for young objects is enough at any load, in bytes; with less, a call costs more. */
const enoughForTheYoung = 32 * 1024 * 1024;

/**
 * Keeps the room for young objects as large as the start has made it, if that is enough. Otherwise it would grow to four
 * times as much when many connections come, which saves no time and is kept for good. To be called after everything is loaded.
 */
export function keepYoungGeneration(): void {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  if (young && young.space_size >= enoughForTheYoung)
    setFlagsFromString('--semi-space-growth-factor=1');
}
