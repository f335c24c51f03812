import { startBff, type TestBff } from '../support/bff/bff.ts';
import { framingPayloads } from '../support/network/framing-payloads.ts';
import {
  describeViolation,
  type FramingOutcome,
  tryFramings,
} from '../support/network/framing-outcomes.ts';
import { startStrictUpstream, type StrictUpstream } from '../support/upstream/strict-upstream.ts';

let upstream: StrictUpstream;
let bff: TestBff;
let outcomes: ReadonlyMap<string, FramingOutcome>;

beforeAll(async () => {
  upstream = await startStrictUpstream();
  bff = await startBff({ store: 'memory', route: { upstream: upstream.url, token: 'none' } });
  const found = await tryFramings(bff.port, upstream, '/api');
  outcomes = new Map(found.map((outcome) => [outcome.name, outcome]));
});

afterAll(async () => {
  await bff.close();
  await upstream.close();
});

describe('a request that servers may read differently', () => {
  it.each(framingPayloads.map(({ name }) => name))('is one request or none: %s', (name) => {
    const outcome = outcomes.get(name);
    expect(outcome && describeViolation(outcome)).toBeUndefined();
  });

  it.each([
    'the line "Connection: content-length"',
    'the line "Connection: transfer-encoding"',
    'the line "Upgrade: h2c\\r\\nHTTP2-Settings: AAMAAABkAAQAAP__"',
    'the line "Expect: 100-continue"',
    '"GET PATH HTTP/1.1" with chunks',
    '"DELETE PATH HTTP/1.1" with a length',
    '"HEAD PATH HTTP/1.1" with chunks',
  ])('arrives if it can be read in one way only: %s', (name) => {
    expect(outcomes.get(name)).toMatchObject({ arrived: 1, statuses: [200] });
  });

  it('is tried in hundreds of ways', () => {
    expect(outcomes.size).toBe(framingPayloads.length);
    expect(outcomes.size).toBeGreaterThan(200);
  });

  it('never makes us send what a strict server would not read', () => {
    expect(upstream.offences).toEqual([]);
  });

  it('leaves nothing behind on a connection to the upstream', async () => {
    for (let call = 0; call < 30; call += 1) {
      const response = await bff.browser().fetch(`/api/victim-${call}`);
      expect([response.status, await response.text()]).toEqual([200, `/api/victim-${call}`]);
    }
  });
});
