import { startBff } from '../support/bff/bff.ts';
import { extentFrom, runInterleavings } from '../support/interleavings/interleavings.ts';
import { startEnvironment } from '../support/interleavings/environment.ts';

const extent = extentFrom(process.env, 120);

/** Three replicas of the BFF in this process. */
const startThreeReplicas = () =>
  startEnvironment(async (options) => {
    const bff = await startBff(options);
    const { port: second } = await bff.replica();
    const { port: third } = await bff.replica();
    const { keyPrefix } = bff.redis;
    return { ports: [bff.port, second, third], keyPrefix, close: () => bff.close() };
  });

describe('signing in, calling and signing out, by several users at several replicas at the same time', () => {
  it(
    'loses no session, brings none back and gives no user that of another',
    async () => {
      console.info(`INTERLEAVINGS_SEED=${extent.seed}`);
      await using environment = await startThreeReplicas();
      const { summary, failure = 'none' } = await runInterleavings(environment.system, extent);
      console.info(summary);
      expect(failure).toBe('none');
    },
    extent.runs * 500 + 60_000,
  );
});
