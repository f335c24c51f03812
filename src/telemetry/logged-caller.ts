/** The caller of a request with an access token: a client of ours, or one of another issuer. */
export interface LoggedCaller {
  readonly kind: 'client' | 'issuer';
  /** The `client_id`, or the issuer identifier. */
  readonly name: string;
}

declare module 'http' {
  interface IncomingMessage {
    /** `undefined` for requests without a valid access token, such as all of browsers. */
    caller?: LoggedCaller;
  }
}
