import { clientDocuments } from '../../src/config/values/client-documents.ts';
import { redirectUriMistake } from '../../src/config/values/redirect-uri.ts';

describe('authorizationServer.clientIdMetadataDocuments', () => {
  const read = (value: unknown) => clientDocuments().safeParse(value);

  it.each([
    [true, { allowedHosts: undefined }],
    ['true', { allowedHosts: undefined }],
    [false, false],
    ['false', false],
    [
      { allowedHosts: ['Agent.Corp.example', 'mcp'] },
      { allowedHosts: ['agent.corp.example', 'mcp'] },
    ],
  ])('may be %j', (value, expected) => {
    expect(read(value)).toMatchObject({ success: true, data: expected });
  });

  it.each([
    ['yes', 'must be true, false, or'],
    [1, 'must be true, false, or'],
    [{}, 'must be true, false, or'],
    [{ allowedHosts: [] }, 'must be true, false, or'],
    [{ allowedHosts: 'agent.example' }, 'must be true, false, or'],
    [{ allowedHosts: ['a.example'], more: 1 }, 'must be true, false, or'],
    [{ allowedHosts: ['https://a.example'] }, 'an allowed host that must be a host name'],
    [{ allowedHosts: ['*.example'] }, 'an allowed host that must be a host name'],
  ])('may not be %j', (value, sentence) => {
    expect(read(value).error?.issues[0]?.message).toContain(sentence);
  });
});

it('a redirect URI is not https on the own computer, where no client has a certificate', () => {
  for (const host of ['localhost', '127.0.0.1', '[::1]'])
    expect(redirectUriMistake(`https://${host}/cb`)).toContain('use http://127.0.0.1');
});
