import { setTimeout as passed } from 'node:timers/promises';
import { Liveness } from '../../src/oauth/provider/liveness.ts';
import { startUpstream } from '../support/upstream/upstream.ts';

function beBusy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

it('a provider that said it was alive while this process was busy is not taken for one that hangs', async () => {
  const provider = await startUpstream((_request, response) => {
    response.end();
    // The answer is in the socket, and the probe's time is over before anybody looks.
    beBusy(800);
  });
  try {
    const liveness = new Liveness(async (signal) => {
      await fetch(provider.url, { signal });
    });
    await expect(liveness.whileAlive(passed(2500, 'tokens'))).resolves.toBe('tokens');
  } finally {
    await provider.close();
  }
});
