import { Outage } from '../../src/oauth/errors.ts';
import { Liveness, withDiscoveryTimeout } from '../../src/oauth/provider/liveness.ts';

const never = () => new Promise<never>(() => undefined);
const unavailable = expect.objectContaining({ code: 'provider_unavailable' });

/** A probe that is not answered. */
function silent(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Outage('aborted').toBffError()));
  });
}

const outageWith = (status: number) =>
  new Outage('answered', { response: { status, headers: new Headers() } }).toBffError();

async function timed(work: Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work.catch(() => undefined);
  return performance.now() - began;
}

/** Work that ends when the test says so. */
function open<T>() {
  return Promise.withResolvers<T>();
}

/** A probe that notes how often it was called. */
function counted(probe: (signal: AbortSignal, nth: number) => Promise<void>) {
  const count = { calls: 0 };
  const counting = (signal: AbortSignal) => probe(signal, (count.calls += 1));
  return { liveness: new Liveness(counting), count };
}

describe('a caller that waits for a provider', () => {
  it('gets what comes, or fails with what fails, without a probe', async () => {
    const { liveness, count } = counted(silent);
    await expect(liveness.whileAlive(Promise.resolve(1))).resolves.toBe(1);
    await expect(liveness.whileAlive(Promise.resolve(undefined))).resolves.toBeUndefined();
    await expect(liveness.whileAlive(Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(count.calls).toBe(0);
  });

  it('waits less than two seconds when it does not respond at all, and shares one probe with all others', async () => {
    const { liveness, count } = counted(silent);
    const times = await Promise.all(
      Array.from({ length: 20 }, () => timed(liveness.whileAlive(never()))),
    );
    expect(Math.max(...times)).toBeLessThan(2000);
    await expect(liveness.whileAlive(Promise.resolve(1))).resolves.toBe(1);
    expect(count.calls).toBe(1);
  });

  it('waits no longer once it cannot be reached', async () => {
    const liveness = new Liveness(() => Promise.reject(new Outage('refused').toBffError()));
    const waiting = liveness.whileAlive(never());
    expect(await timed(waiting)).toBeLessThan(1500);
    await expect(waiting).rejects.toEqual(unavailable);
  });

  it('waits on while it responds in any way, and probes again every second', async () => {
    const outages = [
      () => Promise.resolve(),
      () => Promise.reject(outageWith(500)),
      () => Promise.reject(outageWith(404)),
    ];
    const outcomes = outages.map(async (response) => {
      const { promise, resolve } = open<string>();
      const { liveness } = counted((_, nth) => {
        if (nth === 3) resolve('late');
        return response();
      });
      return liveness.whileAlive(promise);
    });
    await expect(Promise.all(outcomes)).resolves.toEqual(['late', 'late', 'late']);
  });

  it('gets what comes during a probe', async () => {
    const [good, bad] = [open<string>(), open<string>()];
    const liveness = new Liveness((signal) => {
      good.resolve('now');
      bad.reject(new Error('now'));
      return silent(signal);
    });
    const waiting = [good, bad].map(({ promise }) => liveness.whileAlive(promise));
    await expect(Promise.allSettled(waiting)).resolves.toMatchObject([
      { value: 'now' },
      { reason: { message: 'now' } },
    ]);
  });

  it('need not care how the work ends after all', async () => {
    const { promise, reject } = open<never>();
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const waiting = [new Liveness(silent).whileAlive(promise), withDiscoveryTimeout(promise)];
    const results = await Promise.allSettled(waiting);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    reject(new Error('late'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });
});

it('stops waiting at the deadline, with an error of its own', async () => {
  const began = performance.now();
  await expect(withDiscoveryTimeout(never())).rejects.toMatchObject({
    code: 'provider_unavailable',
    cause: { message: 'no response within 1600 ms' },
  });
  expect(performance.now() - began).toBeLessThan(2000);
  await expect(withDiscoveryTimeout(Promise.resolve(1))).resolves.toBe(1);
});
