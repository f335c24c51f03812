const dist = new URL('../dist/', import.meta.url);

/** What the bench uses of the built server, whose sources Node cannot run as they are: their decorators need compiling. */
export async function built() {
  const [app, config, store, records, session, cookies, signedCookie] = await Promise.all([
    load<typeof import('../src/app.ts')>('app.js'),
    load<typeof import('../src/config/load.ts')>('config/load.js'),
    load<typeof import('../src/session/session-store.ts')>('session/session-store.js'),
    load<typeof import('../src/session/sealed-records.ts')>('session/sealed-records.js'),
    load<typeof import('../src/session/session.ts')>('session/session.js'),
    load<typeof import('../src/session/cookies.ts')>('session/cookies.js'),
    load<typeof import('../src/session/signed-cookie.ts')>('session/signed-cookie.js'),
  ]);
  return { ...app, ...config, ...store, ...records, ...session, ...cookies, ...signedCookie };
}

async function load<Module>(file: string): Promise<Module> {
  return (await import(new URL(file, dist).href)) as Module;
}
