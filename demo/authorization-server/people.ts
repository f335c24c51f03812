/**
 * Someone who can sign in. The demo prints the passwords on its sign-in page: there is nothing
 * behind them.
 */
export interface Person {
  readonly sub: string;
  readonly username: string;
  readonly password: string;
  readonly name: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly email: string;
  readonly knownFor: string;
}

/** Everyone who can sign in. */
export const people: readonly Person[] = [
  {
    sub: 'user-ada',
    username: 'ada',
    password: 'pixie',
    name: 'Ada Lovelace',
    givenName: 'Ada',
    familyName: 'Lovelace',
    email: 'ada@example.com',
    knownFor: 'Wrote the first program',
  },
  {
    sub: 'user-alan',
    username: 'alan',
    password: 'pixie',
    name: 'Alan Turing',
    givenName: 'Alan',
    familyName: 'Turing',
    email: 'alan@example.com',
    knownFor: 'Imagined the computer',
  },
];

/** The person with these credentials, or nobody. */
export function findPerson(username: string, password: string): Person | undefined {
  return people.find(
    (person) => person.username === username.trim().toLowerCase() && person.password === password,
  );
}

/** What a person's claims are for a set of scopes (OIDC Core §5.4). */
export function claimsOf(person: Person, scopes: ReadonlySet<string>): Record<string, unknown> {
  return {
    sub: person.sub,
    ...(scopes.has('profile') && {
      name: person.name,
      given_name: person.givenName,
      family_name: person.familyName,
      preferred_username: person.username,
    }),
    ...(scopes.has('email') && { email: person.email, email_verified: true }),
  };
}
