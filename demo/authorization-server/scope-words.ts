/** A scope as a person understands it. */
export interface ScopeWords {
  readonly title: string;
  readonly detail: string;
}

const words: Readonly<Record<string, ScopeWords>> = {
  openid: { title: 'Recognise you', detail: 'An identifier, the same at every sign-in' },
  profile: { title: 'See your name', detail: 'Full name, first and last name, username' },
  email: { title: 'See your email address', detail: 'And whether it was confirmed' },
  'notes:read': { title: 'Read your notes', detail: 'At the demo API' },
  'notes:write': { title: 'Write and delete your notes', detail: 'At the demo API' },
  offline_access: {
    title: 'Stay connected',
    detail: 'Renew its access until you sign out, without asking again',
  },
};

/** What a scope means, in plain words; an unknown one stands for itself. */
export function inPlainWords(scope: string): ScopeWords {
  return words[scope] ?? { title: scope, detail: 'No description' };
}
