import type { ProviderOptions } from '../../src/config/options.ts';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { ProviderRegistry } from '../../src/oauth/provider-registry.ts';

const [corp, partner] = ['corp', 'partner'].map(
  (id) => new Provider({ id, issuer: `https://${id}.example`, maxResponse: 1 } as ProviderOptions),
);
const providers = new ProviderRegistry(
  [corp, partner] as Provider[],
  'https://app.example.com/bff',
);

describe('the configured providers', () => {
  it('are found by name; the first is the default', () => {
    expect(providers.get(undefined)).toBe(corp);
    expect(providers.get('corp')).toBe(corp);
    expect(providers.get('partner')).toBe(partner);
    expect(providers.find('partner')).toBe(partner);
  });

  it.each(['', 'other', 'CORP', 'constructor', '__proto__', 'corp/'])('do not include %j', (id) => {
    expect(providers.find(id)).toBeUndefined();
    for (const lookUp of [() => providers.get(id), () => providers.atCallback(id)]) {
      expect(lookUp).toThrow(expect.objectContaining({ code: 'unknown_provider', status: 404 }));
    }
  });

  it('have a callback address each, and the default one only one', () => {
    expect(providers.redirectUri(corp as Provider)).toBe('https://app.example.com/bff/callback');
    expect(providers.redirectUri(partner as Provider)).toBe(
      'https://app.example.com/bff/callback/partner',
    );
    expect(providers.atCallback(undefined)).toBe(corp);
    expect(providers.atCallback('partner')).toBe(partner);
    expect(() => providers.atCallback('corp')).toThrow(
      expect.objectContaining({ code: 'unknown_provider' }),
    );
  });
});
