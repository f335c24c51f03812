import { type Problem, problemIn } from './client-error.ts';
import { type CsrfHeader, withCsrf } from './endpoints.ts';
import type { RequiredSignIns } from './required-sign-in.ts';
import type { StateStore } from './state.ts';

/** How often a call is repeated after `503`. */
const maxRepeats = 3;

/** The longest `Retry-After` that a call waits for, in milliseconds. */
const maxWait = 30_000;

const idempotent = /^(?:GET|HEAD|OPTIONS|PUT|DELETE)$/;

/** Creates the `fetch` of a client, which adds the CSRF header, signs in and waits as needed. */
export function createFetch(
  csrf: CsrfHeader,
  signIns: RequiredSignIns,
  store: StateStore<object>,
): typeof fetch {
  /** Signs in if the problem can be solved by that. Resolves with whether it was. */
  async function isSolved({ code, loginUrl }: Problem, tried: Set<unknown>): Promise<boolean> {
    // In a worker there is no page to sign in from.
    const isSignIn = code === 'not_signed_in' || code === 'step_up_required';
    if (!isSignIn || tried.has(code) || !globalThis.document) return false;
    tried.add(code);
    return signIns.signIn({ code, ...(typeof loginUrl === 'string' && { loginUrl }) });
  }

  return async (input, init) => {
    const request = input instanceof Request ? input : undefined;
    if (!isOurs(request?.url ?? String(input))) return fetch(input, init);

    const method = (init?.method ?? request?.method ?? 'GET').toUpperCase();
    const signal = init?.signal ?? request?.signal;
    const canRepeat = !(init?.body instanceof ReadableStream);
    const ours = withCsrf(csrf, init, request);
    const tried = new Set<unknown>();
    for (let repeats = 0; ;) {
      const before = store.signIns;
      // The body of a `Request` can be sent once.
      const response = await fetch(canRepeat && request ? request.clone() : input, ours);
      const { status } = response;
      if (!canRepeat || (status !== 401 && status !== 503)) return response;

      if (status === 503) {
        const wait = idempotent.test(method) ? retryAfter(response) : undefined;
        if (wait === undefined || repeats === maxRepeats) return response;
        repeats += 1;
        await unlessAborted(sleep(wait), signal);
      } else {
        const problem = await problemIn(response);
        // A call that was sent before a sign-in and came back after it is repeated at once.
        const isLate = problem.code === 'not_signed_in' && store.signIns > before;
        const isRepeated = isLate || (await unlessAborted(isSolved(problem, tried), signal));
        if (!isRepeated) return response;
      }
      void response.body?.cancel();
    }
  };
}

/** Whether an address is one of this origin. There is none on a server. */
function isOurs(address: string): boolean {
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  return page !== undefined && new URL(address, page).origin === location.origin;
}

/** Returns the `Retry-After` of a response in milliseconds, `undefined` if it is too long. */
function retryAfter({ headers }: Response): number | undefined {
  const value = headers.get('Retry-After') ?? '';
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  // Many clients wait for the same moment.
  return wait <= maxWait ? Math.max(0, wait) * (1 + Math.random() / 4) : undefined;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits for `work`. Rejects with the reason of the signal as soon as that is aborted. */
function unlessAborted<T>(work: Promise<T>, signal?: AbortSignal | null): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
