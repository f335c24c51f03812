/// <reference lib="dom" />
import { createElement as h, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BffProvider, SignedIn, SignedOut, useBff, useUser } from '../../../client/react/react.ts';

/** The claims that this application relies on. */
interface Claims {
  readonly name: string;
}

function Greeting() {
  const { user } = useUser<Claims>();
  const { logout } = useBff();
  return h(
    'p',
    {},
    `Hello, ${user?.claims.name}`,
    h('button', { onClick: () => logout() }, 'Sign out'),
  );
}

function SignIn() {
  const { login } = useBff();
  return h('button', { onClick: () => login() }, 'Sign in');
}

const root = document.querySelector('#root');
if (!root) throw new Error('The page has no root.');
createRoot(root).render(
  h(StrictMode, {}, h(BffProvider, {}, h(SignedIn, {}, h(Greeting)), h(SignedOut, {}, h(SignIn)))),
);
