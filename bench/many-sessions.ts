import type { OptionsInput } from '../src/config/options.ts';
import { built } from './built.ts';

/** As many sessions are written at once. */
const batch = 500;

/**
 * Writes sessions through the BFF's own `SessionStore`, as if so many different people had signed
 * in: each is the session of that cookie, with a subject and an id of its own. Gives back their
 * `Cookie` headers.
 */
export async function writeManySessions(
  input: OptionsInput,
  howMany: number,
  signedInCookie: string,
): Promise<string[]> {
  const { createApp, parseOptions, SessionStore, recordNameOf, newSecret, ...cookies } =
    await built();
  const options = parseOptions(input);
  const app = await createApp(options, { logStream: { write: () => undefined } });
  const { secrets, cookieName } = options.session;
  const { session: name } = cookies.cookieNames(options.publicUrl, cookieName);
  const cookie = new cookies.SignedCookie(name, secrets);
  try {
    const store = app.get(SessionStore);
    const secret = cookie.read(signedInCookie);
    const template = secret && (await store.readStored(recordNameOf(secret)));
    if (!template) throw new Error('There is no session behind the cookie of the sign-in.');
    const begin = async (index: number) => {
      const own = newSecret();
      const signedIn = { ...template.session, id: recordNameOf(own), sub: `person-${index}` };
      await store.begin(own, { ...template.data, signedIn });
      return `${name}=${encodeURIComponent(cookie.sign(own))}`;
    };
    const headers: string[] = [];
    while (headers.length < howMany) {
      const size = Math.min(batch, howMany - headers.length);
      const indexes = Array.from({ length: size }, (_, index) => headers.length + index);
      headers.push(...(await Promise.all(indexes.map(begin))));
    }
    return headers;
  } finally {
    await app.close();
  }
}
