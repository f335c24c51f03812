import { frontendPolicy } from '../../src/frontend/content-security-policy.ts';

describe('frontend.contentSecurityPolicy', () => {
  it('is strict when nothing is said', () => {
    const directives = (frontendPolicy(undefined) ?? '').split('; ');
    expect(directives).toEqual(
      expect.arrayContaining([
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ]),
    );
    expect(directives.join()).not.toContain('unsafe');
  });

  it('is what the operator says', () => {
    expect(frontendPolicy("default-src 'none'")).toBe("default-src 'none'");
  });

  it('can be off', () => {
    expect(frontendPolicy('off')).toBeUndefined();
  });
});
