import { Upstream, type UpstreamServer } from '../../src/proxy/upstream/upstream.ts';
import { route } from '../support/bff/route.ts';

/** An upstream and its servers by name. */
function upstreamOf(...names: readonly string[]) {
  const upstream = new Upstream(route({ upstream: names.map((name) => `http://${name}.test`) }));
  const named = (name: string) =>
    upstream.servers.find(({ host }) => host === `${name}.test`) as UpstreamServer;
  const chosen = (now: number, count = 12) =>
    Array.from({ length: count }, () => upstream.choose([], now)?.host[0]).join('');
  return { upstream, named, chosen };
}

describe('of several servers', () => {
  it('equally busy ones get calls in turn', () => {
    const { chosen } = upstreamOf('a', 'b', 'c');
    expect(chosen(0, 6)).toMatch(/^(abcabc|bcabca|cabcab)$/);
  });

  it('the least busy one gets the call', () => {
    const { named, chosen } = upstreamOf('a', 'b', 'c');
    Object.assign(named('a'), { busy: 2 });
    Object.assign(named('b'), { busy: 1 });
    expect(chosen(0, 4)).toBe('cccc');
  });

  it('one that refused is left out for a while, tried by one call, and left out for longer', () => {
    const { named, chosen } = upstreamOf('a', 'b');
    named('a').recordRefusal(0);
    expect(chosen(999)).toBe('b'.repeat(12));
    expect([...chosen(1_001)].filter((name) => name === 'a')).toEqual(['a']);
    named('a').recordRefusal(1_001);
    expect(chosen(2_900)).toBe('b'.repeat(12));
    expect(chosen(3_002)).toContain('a');
  });

  it('one that responds again gets calls like the others', () => {
    const { named, chosen } = upstreamOf('a', 'b');
    named('a').recordRefusal(0);
    named('a').recordResponse();
    expect(chosen(1, 4)).toMatch(/^(abab|baba)$/);
  });

  it('one gets the call even if all refused: the one whose pause ends first', () => {
    const { named, chosen } = upstreamOf('a', 'b');
    named('a').recordRefusal(0);
    named('b').recordRefusal(10);
    expect(chosen(20, 1)).toBe('a');
  });

  it('none is left when all were tried', () => {
    const { upstream } = upstreamOf('a', 'b');
    expect(upstream.choose(upstream.servers)).toBeUndefined();
    const alone = upstreamOf('a').upstream;
    expect(alone.choose()?.host).toBe('a.test');
    expect(alone.choose(alone.servers)).toBeUndefined();
  });
});
