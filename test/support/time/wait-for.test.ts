import { testClock } from './clock.ts';
import { waitFor } from './wait-for.ts';

it('waits for a predicate and gives its value', async () => {
  const values = [false, null, 'there'];
  await expect(waitFor(() => values.shift() ?? null)).resolves.toBe('there');
});

it('waits for an assertion to hold, and throws its last failure', async () => {
  let count = 0;
  await waitFor(() => {
    count += 1;
    expect(count).toBe(3);
  });
  expect(count).toBe(3);
  const never = waitFor(() => Promise.reject(new Error('not yet')), { timeout: 30 });
  await expect(never).rejects.toThrow('not yet');
  await expect(waitFor(() => false, { timeout: 30 })).rejects.toThrow('Waited 30 ms in vain for');
});

it('a test clock runs, and advances on request', () => {
  const clock = testClock();
  const before = clock.now();
  clock.advance(60_000);
  expect(clock.now() - before).toBeGreaterThanOrEqual(60_000);
});
