import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runDirectory } from '../support/setup/run-directory.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a developer writes who has installed the package. */
const plain = `
import { createBffClient, BffClientError, type BffClient, type BffState, type BffUser } from 'pixie-bff/client';

interface Claims { readonly email: string; readonly roles: readonly string[] }

const client = createBffClient<Claims>({ basePath: '/auth', csrf: { header: 'X-Own' }, signIn: 'popup' });
export const roles = async (): Promise<readonly string[]> => (await client.getUser())?.claims.roles ?? [];
export const refreshed: Promise<BffUser<Claims> | null> = client.refresh();
export const left: Promise<BffState<Claims>> = client.login({ returnUrl: '/x', provider: 'corp', prompt: 'login', popup: true });
export const out: Promise<void> = client.logout({ returnUrl: '/bye' });
export const same: typeof fetch = client.fetch;
client.subscribe(() => {
  const state = client.getSnapshot();
  if (state.status === 'signed-in') console.log(state.user.claims.email, state.expiresAt - Date.now());
  // @ts-expect-error nobody is known to be signed in here
  console.log(state.user.claims);
})();
// Without a type of their own, the claims of OpenID Connect are known, and all others unknown.
const anyone = createBffClient();
export const name = async (): Promise<string | undefined> => (await anyone.getUser())?.claims.name;
// @ts-expect-error the type of this claim is not stated
export const groups = async (): Promise<string[] | undefined> => (await anyone.getUser())?.claims.groups;
export const general: BffClient<object> = client;
export const own = createBffClient({ signIn: async ({ code, loginUrl }) => (await client.login({ popup: code === 'x', loginUrl })).status === 'signed-in' });
export const code = (error: unknown): string => (error instanceof BffClientError ? error.code : '');
// @ts-expect-error no such option
createBffClient({ basepath: '/auth' });
// @ts-expect-error no such way to sign in
createBffClient({ signIn: 'tab' });
// @ts-expect-error the user has no token
export const token = async () => (await client.getUser())?.accessToken;
`;

const react = `
import { BffProvider, SignedIn, SignedOut, useBff, useUser, type BffProviderProps } from 'pixie-bff/react';
import { createBffClient } from 'pixie-bff/client';

interface Claims { readonly roles: readonly string[] }
const client = createBffClient<Claims>();

function Roles() {
  const { status, user } = useUser<Claims>();
  const { fetch, login } = useBff<Claims>();
  // @ts-expect-error it may be that nobody is signed in
  user.sub;
  return <button onClick={() => fetch('/api').then(() => login())}>{status} {user?.claims.roles.join()}</button>;
}
export const props: BffProviderProps = { basePath: '/auth' };
export const application = (
  <BffProvider client={client}>
    <SignedIn><Roles /></SignedIn>
    <SignedOut>Please sign in</SignedOut>
  </BffProvider>
);
// @ts-expect-error no such property
export const misspelt = <BffProvider path="/auth" />;
`;

const vue = `
import { createApp, h } from 'vue';
import { createBff, SignedIn, SignedOut, useBff, useUser } from 'pixie-bff/vue';

interface Claims { readonly roles: readonly string[] }
export const application = createApp({
  setup() {
    const state = useUser<Claims>();
    const first: string | undefined = state.value.user?.claims.roles[0];
    // @ts-expect-error only the client changes the state
    state.value = { status: 'loading' };
    return () => [h(SignedIn, {}, { default: () => first }), h(SignedOut), useBff().getSnapshot().status];
  },
}).use(createBff({ basePath: '/auth' }));
`;

const svelte = `
import { get } from 'svelte/store';
import { setBff, useBff, useUser } from 'pixie-bff/svelte';

interface Claims { readonly roles: readonly string[] }
export const client = setBff<Claims>({ basePath: '/auth' });
export const roles: readonly string[] | undefined = get(useUser<Claims>()).user?.claims.roles;
export const signedOut: Promise<void> = useBff().logout();
`;

describe('the browser client as a package', () => {
  const directory = mkdtempSync(join(runDirectory(), 'page-'));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(root, join(directory, 'node_modules', 'pixie-bff'));
  for (const name of ['@types', '@vue', 'vue', 'svelte', 'react', 'react-dom'])
    symlinkSync(join(root, 'node_modules', name), join(directory, 'node_modules', name));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');

  it.each(['bundler', 'nodenext'])('has types for each framework: %s', (resolution) => {
    const files = { 'plain.ts': plain, 'react.tsx': react, 'vue.ts': vue, 'svelte.ts': svelte };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const module = resolution === 'bundler' ? 'preserve' : 'nodenext';
    const flags = `--noEmit --strict --module ${module} --moduleResolution ${resolution} --target es2022 --lib es2022,dom,dom.iterable --jsx react-jsx --skipLibCheck --types react`;
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    expect(run([compiler, ...flags.split(' '), ...Object.keys(files)])).toBe('');
  });

  it('is imported and rendered on a server, where nobody is known', () => {
    const program = `
      import { createBffClient } from 'pixie-bff/client';
      import { BffProvider, SignedIn, SignedOut, useUser } from 'pixie-bff/react';
      import { createBff, useUser as useVueUser } from 'pixie-bff/vue';
      import 'pixie-bff/svelte';
      import { createElement as h } from 'react';
      import { renderToString } from 'react-dom/server';
      import { createSSRApp } from 'vue';
      import { renderToString as renderVue } from 'vue/server-renderer';

      const client = createBffClient();
      const unsubscribe = client.subscribe(() => {});
      unsubscribe();
      console.log(client.getSnapshot().status);
      const Status = () => h('p', {}, useUser().status);
      console.log(renderToString(h(BffProvider, { client }, h(SignedIn, {}, 'in'), h(SignedOut, {}, 'out'), h(Status))));
      const application = createSSRApp({ setup: () => { const state = useVueUser(); return () => state.value.status } });
      console.log(await renderVue(application.use(createBff())));
      const response = await client.fetch('data:text/plain,as+usual');
      console.log(await response.text());
    `;
    const printed = run(['--input-type=module', '-e', program]).trim().split('\n');
    expect(printed).toEqual(['loading', '<p>loading</p>', 'loading', 'as+usual']);
  });

  it('exports exactly this, and nothing else by accident', () => {
    const program = "console.log(Object.keys(await import('pixie-bff/client')).toSorted().join())";
    const printed = run(['--input-type=module', '-e', program]);
    expect(printed.trim()).toBe('BffClientError,createBffClient');
  });

  /** What a program printed, also when it failed. */
  function run(args: readonly string[]): string {
    try {
      return execFileSync(process.execPath, args, { cwd: directory, encoding: 'utf8' });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return `${stdout}${stderr}`;
    }
  }
});
