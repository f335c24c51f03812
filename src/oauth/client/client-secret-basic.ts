import type { ClientAuth } from 'openid-client';

/**
 * The client identifier and its secret in the `Authorization` header, each encoded as in a form
 * (RFC 6749 §2.3.1). The library escapes `-`, `.`, `_` and `*` too, which a form does not (Appendix
 * B); servers that decode nothing refuse that.
 */
export function clientSecretBasic(clientSecret: string): ClientAuth {
  return (_server, { client_id: clientId }, _body, headers) => {
    const credentials = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`;
    headers.set('authorization', `Basic ${btoa(credentials)}`);
  };
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice('='.length);
}
