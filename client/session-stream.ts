import { Retry } from './retry.ts';

/** The data of a `session` event of `/bff/events`. */
export interface SessionEvent {
  readonly state: 'active' | 'expiring' | 'ended';
  readonly reason?: string;
}

/** The event stream of one session at a time. */
export class SessionStream {
  #source: EventSource | undefined;
  #session: string | undefined;
  readonly #retry = new Retry(() => this.#open());

  /**
   * `url` is the address of the stream. `onEvent` gets its events. `onLost` is called when the BFF
   * has refused the stream, before it is opened again.
   */
  constructor(
    private readonly url: string,
    private readonly onEvent: (event: SessionEvent) => void,
    private readonly onLost: () => Promise<void>,
  ) {}

  /** Opens the stream of this session, in place of another one. `undefined` closes it. */
  follow(session: string | undefined): void {
    if (session === this.#session) return;
    this.#session = session;
    this.#retry.reset();
    this.#open();
  }

  /** Opens the stream again now if it is lost. */
  reopen(): void {
    if (this.#source?.readyState === EventSource.CLOSED) this.#open();
  }

  #open(): void {
    this.#retry.cancel();
    this.#source?.close();
    if (this.#session === undefined) return;
    const source = (this.#source = new EventSource(this.url));
    source.addEventListener('open', () => this.#retry.reset());
    source.addEventListener('session', ({ data }: MessageEvent<string>) => {
      const event = JSON.parse(data) as SessionEvent;
      // The browser would open it again, and get 401.
      if (event.state === 'ended') source.close();
      this.onEvent(event);
    });
    source.addEventListener('error', () => void this.#replace(source));
  }

  /** The browser itself opens a broken stream again, but not one that was refused. */
  async #replace(source: EventSource): Promise<void> {
    if (source.readyState !== EventSource.CLOSED) return;
    await this.onLost();
    if (source === this.#source && this.#session !== undefined) this.#retry.plan();
  }
}
