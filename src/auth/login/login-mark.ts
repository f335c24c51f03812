/** The marks of a login, each with the letter that stands for it. */
const letters = { silent: 's', connect: 'c', popup: 'p', secondTry: '2' } as const;

/**
 * A property of a login that its `state` carries, so that the response can be recognised even after
 * the state has been used. `silent`: in a hidden frame. `connect`: connects an account. `popup`: in
 * a pop-up window. `secondTry`: is an automatic retry.
 */
export type LoginMark = keyof typeof letters;

/** Returns the suffix of a `state` with these marks. It is empty if there are none. */
export function markSuffix(marks: Partial<Readonly<Record<LoginMark, boolean>>>): string {
  const given = Object.entries(letters).filter(([mark]) => marks[mark as LoginMark]);
  return given.length > 0 ? `.${given.map(([, letter]) => letter).join('')}` : '';
}

/** Whether a `state` has this mark. The mark is not verified: any client can send it. */
export function hasMark(state: string | null | undefined, mark: LoginMark): boolean {
  return state?.split('.')[1]?.includes(letters[mark]) ?? false;
}

/** Whether the login with this `state` may be retried automatically. */
export function isFirstTry(state: string | undefined): boolean {
  const refused = ['silent', 'connect', 'secondTry'] as const;
  return Boolean(state) && !refused.some((mark) => hasMark(state, mark));
}
