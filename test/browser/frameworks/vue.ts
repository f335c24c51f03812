import { createApp, defineComponent, h } from 'vue';
import { createBff, SignedIn, SignedOut, useBff, useUser } from '../../../client/vue/vue.ts';

/** The claims that this application relies on. */
interface Claims {
  readonly name: string;
}

const Application = defineComponent(() => {
  const { login, logout } = useBff();
  const state = useUser<Claims>();
  const greeting = () => `Hello, ${state.value.user?.claims.name}`;
  return () => [
    h(SignedIn, {}, () =>
      h('p', {}, [greeting(), h('button', { onClick: () => logout() }, 'Sign out')]),
    ),
    h(SignedOut, {}, () => h('button', { onClick: () => login() }, 'Sign in')),
  ];
});

createApp(Application).use(createBff()).mount('#root');
