import { html, Html } from './html.ts';
import type { Page } from './page.ts';
import { cookiePath } from './paths.ts';
import type { Person } from './people.ts';
import { inPlainWords } from './scope-words.ts';

/** What the sign-in page shows; `isWrong` after a password that did not fit. */
export interface SignInPage {
  readonly uid: string;
  readonly clientName: string;
  readonly people: readonly Person[];
  readonly username: string;
  readonly isWrong: boolean;
}

/** Where people sign in: by choosing one of the two, or by typing. */
export function signInPage({ uid, clientName, people, username, isWrong }: SignInPage): Page {
  const action = `${cookiePath}/interaction/${uid}`;
  return {
    title: isWrong ? 'Wrong password' : 'Sign in',
    content: html`<h1>Sign in</h1>
      <p class="lead">to continue to <strong>${clientName}</strong></p>
      <h2 class="label">Demo people</h2>
      <ul class="people">
        ${people.map((person) => personChoice(person, action))}
      </ul>
      <p class="or"><span>or with a password</span></p>
      ${isWrong && wrongPassword}
      <form class="credentials" method="post" action="${action}/sign-in">
        ${usernameField(username, isWrong)} ${passwordField(isWrong)}
        <button class="primary" type="submit">Sign in</button>
      </form>
      ${cancelForm(action)}`,
  };
}

function personChoice(person: Person, action: string): Html {
  return html`<li>
    <form method="post" action="${action}/sign-in">
      <input type="hidden" name="username" value="${person.username}" />
      <input type="hidden" name="password" value="${person.password}" />
      <button class="person" type="submit" aria-label="Sign in as ${person.name}">
        <span class="initials" aria-hidden="true"
          >${person.givenName[0]}${person.familyName[0]}</span
        >
        <span class="who">
          <strong>${person.name}</strong>
          <span>${person.knownFor}</span>
        </span>
        <code>${person.username} / ${person.password}</code>
      </button>
    </form>
  </li>`;
}

const wrongPassword = html`<p class="mistake" role="alert" id="mistake">
  That username and password do not belong together. Both people’s passwords are shown above.
</p>`;

function usernameField(username: string, isWrong: boolean): Html {
  return html`<label for="username">Username</label>
    <input
      id="username"
      name="username"
      value="${username}"
      autocomplete="username"
      autocapitalize="none"
      spellcheck="false"
      maxlength="80"
      required
      ${isWrong ? '' : new Html('autofocus')}
    />`;
}

function passwordField(isWrong: boolean): Html {
  return html`<label for="password">Password</label>
    <input
      id="password"
      name="password"
      type="password"
      autocomplete="current-password"
      maxlength="80"
      required
      ${isWrong && new Html('autofocus aria-invalid="true" aria-describedby="mistake"')}
    />`;
}

function cancelForm(action: string): Html {
  return html`<form method="post" action="${action}/cancel">
    <button class="quiet" type="submit">Cancel and go back</button>
  </form>`;
}

/** What the consent page shows; `mayRefresh` if the client will get a refresh token. */
export interface ConsentPage {
  readonly uid: string;
  readonly clientName: string;
  readonly redirectUri: string;
  readonly personName: string;
  readonly scopes: readonly string[];
  readonly mayRefresh: boolean;
}

/** Asks whether the client may have what it wants; both answers are plain forms. */
export function consentPage(consent: ConsentPage): Page {
  const action = `${cookiePath}/interaction/${consent.uid}`;
  const scopes = [...consent.scopes, ...(consent.mayRefresh ? ['offline_access'] : [])];
  return {
    title: 'Allow access?',
    content: html`<h1>Allow access?</h1>
      <p class="lead">
        <strong>${consent.clientName}</strong> would like to do this on behalf of
        <strong>${consent.personName}</strong>:
      </p>
      <ul class="scopes">
        ${[...new Set(scopes)].map(scopeLine)}
      </ul>
      <p class="note">You go back to <code>${consent.redirectUri}</code></p>
      <div class="decision">
        <form method="post" action="${action}/consent">
          <button class="primary" type="submit" autofocus>Allow</button>
        </form>
        <form method="post" action="${action}/cancel">
          <button class="secondary" type="submit">Deny</button>
        </form>
      </div>`,
  };
}

function scopeLine(scope: string): Html {
  const { title, detail } = inPlainWords(scope);
  return html`<li>
    <strong>${title}</strong>
    <span>${detail}</span>
    <code>${scope}</code>
  </li>`;
}

/**
 * Asks before signing out, because nothing proves that the person wants to. `form` is
 * oidc-provider's own.
 */
export function signOutPage(form: string): Page {
  return {
    title: 'Sign out?',
    content: html`<h1>Sign out?</h1>
      <p class="lead">An application would like to sign you out of Pixie Demo ID.</p>
      ${new Html(form)}
      <div class="decision">
        <button
          class="primary"
          type="submit"
          form="op.logoutForm"
          name="logout"
          value="yes"
          autofocus
        >
          Sign out
        </button>
        <button class="secondary" type="submit" form="op.logoutForm">Stay signed in</button>
      </div>`,
  };
}

/** For who signed out without an application to go back to. */
export function signedOutPage(): Page {
  return {
    title: 'Signed out',
    content: html`<h1>Signed out</h1>
      <p class="lead">You are signed out of Pixie Demo ID. You can close this page.</p>`,
  };
}

const explanations: Readonly<Record<string, string>> = {
  expired: 'This page belongs to a sign-in that is over or was begun in another browser.',
  invalid_client: 'The application is not registered here.',
  invalid_redirect_uri: 'The application asked to go back to an address that is not registered.',
};

/** A page for what has no address to go back to; `code` is the OAuth 2 error code. */
export function errorPage(code: string, description: string | undefined): Page {
  return {
    title: 'That did not work',
    content: html`<h1>That did not work</h1>
      <p class="lead">
        ${explanations[code] ?? description ?? 'The request could not be answered.'}
      </p>
      <p class="note">Go back to the application and begin again. <code>${code}</code></p>`,
  };
}
