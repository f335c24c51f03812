import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { readCredentials } from '../../../src/access/bearer/credentials.ts';

/** A request with these `Authorization` fields. */
function requestWith(...fields: string[]): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.rawHeaders = fields.flatMap((field) => ['Authorization', field]);
  request.headersDistinct = fields.length > 0 ? { authorization: fields } : {};
  return request;
}

describe('the access token of a request', () => {
  it.each([
    ['Bearer abc', 'Bearer', 'abc'],
    ['bEARER   a-b.c_d~e+f/g==', 'Bearer', 'a-b.c_d~e+f/g=='],
    ['dpop abc', 'DPoP', 'abc'],
  ])('is read from %s', (field, scheme, token) => {
    expect(readCredentials(requestWith(field))).toEqual({ scheme, token });
  });

  it.each(['Basic YTpi', 'Bearerabc', 'Bear abc', 'Negotiate', ''])(
    'is not read from %p, which has none',
    (field) => {
      expect(readCredentials(requestWith(field))).toBeUndefined();
    },
  );

  it.each(['Bearer', 'Bearer ', 'Bearer a b', 'Bearer a=b', 'DPoP "a"', 'Bearer a, Bearer b'])(
    'is refused in %p, which is malformed',
    (field) => {
      expect(() => readCredentials(requestWith(field))).toThrow(
        expect.objectContaining({ code: 'invalid_token' }),
      );
    },
  );

  it('is refused if there are two, even if both are equal', () => {
    expect(() => readCredentials(requestWith('Bearer abc', 'Bearer abc'))).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });

  it('is undefined without Authorization', () => {
    expect(readCredentials(requestWith())).toBeUndefined();
  });
});
