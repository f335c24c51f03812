const dist = new URL('../dist/', import.meta.url);

/**
 * What the bench uses of the built server, whose sources Node cannot run as they are: their
 * decorators need compiling.
 */
export async function built() {
  const [app, config, store, records, session, cookies, signedCookie] = await Promise.all([
    load<typeof import('../src/server/create-app.ts')>('server/create-app.js'),
    load<typeof import('../src/config/load.ts')>('config/load.js'),
    load<typeof import('../src/session/sessions/session-store.ts')>(
      'session/sessions/session-store.js',
    ),
    load<typeof import('../src/session/store/sealed-records.ts')>(
      'session/store/sealed-records.js',
    ),
    load<typeof import('../src/session/sessions/session.ts')>('session/sessions/session.js'),
    load<typeof import('../src/session/cookie/cookies.ts')>('session/cookie/cookies.js'),
    load<typeof import('../src/session/cookie/signed-cookie.ts')>(
      'session/cookie/signed-cookie.js',
    ),
  ]);
  return { ...app, ...config, ...store, ...records, ...session, ...cookies, ...signedCookie };
}

async function load<Module>(file: string): Promise<Module> {
  return (await import(new URL(file, dist).href)) as Module;
}
