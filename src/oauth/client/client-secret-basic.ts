import type { ClientAuth } from 'openid-client';

/**
 * Authenticates with the client identifier and secret in the `Authorization` header, each
 * form-encoded (RFC 6749 §2.3.1). The library also escapes `-`, `.`, `_` and `*`, which form
 * encoding does not (Appendix B). Servers that do not decode the header refuse that.
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
