import { Retry } from './retry.ts';
import { type SessionEvent, SessionStream } from './session-stream.ts';
import type { BffReason, StateStore } from './state.ts';
import { TabLeader } from './tab-leader.ts';

/** Milliseconds after the expected end of the session until it is checked. */
const grace = 2000;

/** The longest delay of a timer, in milliseconds. */
const longestDelay = 2 ** 31 - 1;

/** Age from which the state is checked when its tab is shown, in milliseconds. */
const staleAge = 60_000;

/** Milliseconds that the tab with the event stream may take to respond. */
const pongTimeout = 1000;

/** What tabs tell each other. */
interface TabMessage {
  /** The session that the sender knows, `null` for none. */
  readonly session?: string | null;
  readonly reason?: BffReason;
  /** `ping` looks for the tab with the event stream, which sends `pong`. */
  readonly call?: 'ping' | 'pong';
  /** From the page at the end of a pop-up sign-in. */
  readonly source?: string;
}

/**
 * Keeps the state of this tab up to date: by the event stream of the BFF, which one tab opens for
 * all, by messages of other tabs, and by a check when the tab is shown, the network returns or the
 * session should be over. Every tab asks the BFF itself, so that no late message counts.
 */
export class LiveSession {
  readonly #channel: BroadcastChannel | undefined;
  readonly #leader: TabLeader;
  readonly #stream: SessionStream;
  readonly #retry = new Retry(() => void this.#check());
  readonly #stopping = new AbortController();
  readonly #unsubscribe: () => void;
  #told: string | undefined;
  #expiry: Timer;
  #takeover: Timer;

  /** `name` names the lock and the channel of the tabs of this BFF. */
  constructor(
    basePath: string,
    name: string,
    private readonly store: StateStore<object>,
  ) {
    if ('BroadcastChannel' in globalThis) this.#channel = new BroadcastChannel(name);
    // Without a channel, a tab does not learn what another one has heard.
    this.#leader = new TabLeader(this.#channel?.name, () => this.#follow());
    const events = `${basePath}/events`;
    this.#stream = new SessionStream(
      events,
      (event) => this.#onEvent(event),
      () => this.#check(),
    );
    this.#unsubscribe = store.subscribe(() => this.#onChange());
    this.#listen(this.#stopping.signal);
    this.#resume();
  }

  /** Ends the stream, the messages and the checks. */
  stop(): void {
    this.#stopping.abort();
    this.#unsubscribe();
    this.#pause();
    this.#channel?.close();
  }

  #listen(signal: AbortSignal): void {
    this.#channel?.addEventListener('message', (message) => this.#hear(message), { signal });
    addEventListener('online', () => void this.#check().then(() => this.#stream.reopen()), {
      signal,
    });
    // A page in the back/forward cache must hold neither the lock nor a connection.
    addEventListener('pagehide', () => this.#pause(), { signal });
    addEventListener('pageshow', ({ persisted }) => persisted && this.#resume(), { signal });
    document.addEventListener('visibilitychange', () => this.#onVisibility(), { signal });
  }

  #resume(): void {
    this.#leader.stand();
    // To open a page is activity.
    void this.#check(undefined, this.store.user);
  }

  #pause(): void {
    this.#leader.resign();
    this.#stream.follow(undefined);
    this.#retry.reset();
    clearTimeout(this.#expiry);
    clearTimeout(this.#takeover);
  }

  get #session(): string | undefined {
    return this.store.get().user?.session.id;
  }

  /** Checks the state until that succeeds. Never rejects. */
  async #check(reason?: BffReason, request = this.store.check): Promise<void> {
    this.#retry.cancel();
    try {
      await request(reason);
      this.#retry.reset();
    } catch (error) {
      // The session is over, whether the BFF can be asked or not.
      if (isEnd(reason)) return this.store.end(reason);
      const { code = 'network_error' } = error as { code?: string };
      this.store.explainLoading(code);
      if (!this.#stopping.signal.aborted) this.#retry.plan();
    }
  }

  #follow(): void {
    this.#stream.follow(this.#leader.isLeading ? this.#session : undefined);
  }

  #onEvent({ state, reason }: SessionEvent): void {
    if (state === 'ended') return void this.#check(reason);
    if (state === 'active' && this.store.get().reason !== 'expiring') return;
    this.#tell(state);
    void this.#check(state);
  }

  #onChange(): void {
    const { status, expiresAt, reason } = this.store.get();
    clearTimeout(this.#expiry);
    if (expiresAt !== undefined) {
      const delay = Math.max(0, expiresAt - Date.now()) + grace;
      this.#expiry = setTimeout(() => void this.#check(), Math.min(delay, longestDelay));
    }
    const session = this.#session;
    if (status !== 'loading' && session !== this.#told) {
      this.#told = session;
      this.#tell(isEnd(reason) ? reason : undefined);
    }
    this.#follow();
  }

  /** Tells the other tabs which session this one knows, and a reason to check theirs. */
  #tell(reason?: BffReason): void {
    this.#send({ session: this.#session ?? null, ...(reason && { reason }) });
  }

  #send(message: TabMessage): void {
    this.#channel?.postMessage(message);
  }

  #hear({ data }: MessageEvent<TabMessage>): void {
    const { session, reason, call, source } = data;
    if (call === 'ping' && this.#leader.isLeading) this.#send({ call: 'pong' });
    if (call === 'pong') clearTimeout(this.#takeover);
    const known = this.#session ?? null;
    const isNews = session !== undefined && (session !== known || (known && reason));
    if (isNews || source) void this.#check(reason);
  }

  #onVisibility(): void {
    if (document.visibilityState !== 'visible') return;
    if (Date.now() - this.store.checkedAt > staleAge) void this.#check();
    if (this.#leader.isLeading || !this.#channel) return;
    clearTimeout(this.#takeover);
    this.#send({ call: 'ping' });
    // Browsers suspend hidden tabs, and a suspended tab keeps its lock.
    this.#takeover = setTimeout(() => this.#leader.stand(true), pongTimeout);
  }
}

/** Whether the reason says that the session is over. */
function isEnd(reason: BffReason | undefined): reason is 'expired' | 'signed_out' {
  return reason === 'expired' || reason === 'signed_out';
}

type Timer = ReturnType<typeof setTimeout> | undefined;
