import { startBff } from '../support/bff/bff.ts';
import { extentFrom, playInterleavings } from '../support/interleavings/interleavings.ts';
import { openTheatre } from '../support/interleavings/environment.ts';

const extent = extentFrom(process.env, 120);

/** Three replicas of the BFF in this process. */
const openStage = () =>
  openTheatre(async (script) => {
    const bff = await startBff(script);
    const { port: second } = await bff.replica();
    const { port: third } = await bff.replica();
    const { keyPrefix } = bff.redis;
    return { ports: [bff.port, second, third], keyPrefix, close: () => bff.close() };
  });

describe('signing in, calling and signing out, whoever does it at whatever replica at the same time', () => {
  it(
    'loses no session, brings none back and gives nobody that of another',
    async () => {
      console.info(`INTERLEAVINGS_SEED=${extent.seed}`);
      await using theatre = await openStage();
      const { figures, failure = 'none' } = await playInterleavings(theatre.stage, extent);
      console.info(figures);
      expect(failure).toBe('none');
    },
    extent.runs * 500 + 60_000,
  );
});
