import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 count the bytes of streamed bodies together with its own heap. By itself it begins a full collection after every 64 MB of
 * them, ten a second at the pace of a local network, which cost as much as the bodies. Memory is held as before. To be called
 * before there is any load.
 */
export function collectRarely(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit');
}
