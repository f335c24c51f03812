import type { Clock } from '../../clock.ts';
import { type ClientDocument, documentAddressOf, readClientDocument } from './client-document.ts';
import { FetchBudget } from './fetch-budget.ts';
import { fetchDocument, type FetchRules } from './fetch-document.ts';

/** The document of a client could not be fetched (`unavailable`), or it is not acceptable. */
export class ClientDocumentError extends Error {
  constructor(
    readonly problem: 'unavailable' | 'unacceptable',
    cause: unknown,
  ) {
    super(`the client metadata document is ${problem}`, { cause });
  }
}

/** How long a document is cached, in seconds: at most, and if its server does not tell. */
const cacheTime = { most: 24 * 3600, usual: 3600 };

/** The most documents that are cached in a process. One is at most 5 KB. */
const mostCached = 1000;

/**
 * Finds clients by their client ID metadata documents
 * (draft-ietf-oauth-client-id-metadata-document). Documents are cached for at most a day, failures
 * never.
 */
export class ClientDocuments {
  readonly #cached = new Map<string, { document: ClientDocument; until: number }>();
  readonly #pending = new Map<string, Promise<ClientDocument>>();
  readonly #budget: FetchBudget;

  constructor(
    private readonly rules: FetchRules,
    private readonly clock: Clock,
  ) {
    this.#budget = new FetchBudget(clock);
  }

  /**
   * Returns the document of a client for a request from `address`. `undefined` if the id is not the
   * address of a document. Throws `ClientDocumentError`, and `rate_limited` if too many are fetched.
   */
  async find(clientId: string, address: string): Promise<ClientDocument | undefined> {
    const { allowedHosts, allowsLoopback } = this.rules;
    const url = documentAddressOf(clientId, allowsLoopback);
    const isAllowed = url && (allowedHosts?.includes(url.hostname) ?? true);
    if (!isAllowed) return undefined;
    const cached = this.#cached.get(clientId);
    if (cached && cached.until > this.clock()) {
      // A map keeps the order of insertion, so its first key is the least recently used.
      this.#cached.delete(clientId);
      this.#cached.set(clientId, cached);
      return cached.document;
    }
    const pending = this.#pending.get(clientId);
    if (pending) return pending;
    const fetching = this.#budget.run(address, () => this.#fetch(url, clientId));
    this.#pending.set(clientId, fetching);
    try {
      return await fetching;
    } finally {
      this.#pending.delete(clientId);
    }
  }

  async #fetch(url: URL, clientId: string): Promise<ClientDocument> {
    const { text, maxAge = cacheTime.usual } = await attempt('unavailable', () =>
      fetchDocument(url, this.rules),
    );
    const document = await attempt('unacceptable', () => readClientDocument(text, clientId));
    this.#cache(document, Math.min(maxAge, cacheTime.most));
    return document;
  }

  #cache(document: ClientDocument, seconds: number): void {
    const { clientId } = document;
    this.#cached.delete(clientId);
    if (seconds === 0) return;
    const [leastUsed] = this.#cached.keys();
    if (this.#cached.size >= mostCached && leastUsed !== undefined) this.#cached.delete(leastUsed);
    this.#cached.set(clientId, { document, until: this.clock() + seconds * 1000 });
  }
}

async function attempt<T>(
  problem: ClientDocumentError['problem'],
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new ClientDocumentError(problem, cause);
  }
}
