/**
 * Flags of V8 for a server that streams bodies, given on the command line: in `main.ts`, in the
 * `Dockerfile` and for worker processes. `docs/decisions/0031-v8-flags-at-the-start.md` has the
 * measurements.
 */
export const v8Flags: readonly string[] = [
  // Otherwise every 64 MB of streamed bodies start a full collection: ten per second at the speed
  // of a local network.
  '--external-memory-accounted-in-global-limit',
  // Otherwise V8 may classify objects of the first busy moment as long-lived for good. They and
  // their requests then stay in memory until the next full collection.
  '--no-allocation-site-pretenuring',
  // Sizes in MB of a half of the young generation. Otherwise V8 shrinks it to 1 MB after a quiet
  // moment, and then collects hundreds of times per second.
  '--min-semi-space-size=16',
  '--max-semi-space-size=32',
];
