import { z } from 'zod';
import { signInRules } from './access-rules.ts';
import { browserOrigin, serverAddress } from '../values/addresses.ts';
import { loginHook } from './login-hook.ts';
import { readName, readValue } from './route-headers.ts';
import { builtFrontend, localPath, requestPath } from '../values/paths.ts';
import { rule } from '../values/rule.ts';
import { duration, flag, listOf, oneOf, refuse, scalar, text } from '../values/scalar.ts';

/** The single-page application. It serves every path that is neither an endpoint nor a route. */
export const frontend = z
  .strictObject({
    directory: builtFrontend()
      .optional()
      .describe(
        'Directory with the built application. It must contain `index.html`, which is also ' +
          'sent for navigations to addresses without a file.',
      ),
    url: serverAddress()
      .optional()
      .describe(
        'Address of a development or web server that serves the application instead of ' +
          '`frontend.directory`.',
      ),
    signIn: oneOf(['optional', 'required'])
      .prefault('optional')
      .describe(
        '`required`: the application is delivered to signed-in users only. A page navigation of ' +
          'a signed-out user goes to the sign-in and comes back, any other request gets `401`.',
      ),
    public: listOf(requestPath())
      .prefault([])
      .describe(
        'With `signIn: required`: paths that need no sign-in, with everything below them, like ' +
          '`/robots.txt` or `/assets`. The page of `errorUrl` never needs one.',
      ),
    contentSecurityPolicy: text(readPolicy)
      .optional()
      .describe(
        'Content-Security-Policy of the pages. By default a strict one that suits a bundled ' +
          'application; `off` sends none.',
      ),
  })
  .check(
    rule(['directory', 'url'], ({ directory, url }, report) => {
      if (directory !== undefined && url !== undefined)
        report(
          ['url'],
          `is ${url} while frontend.directory is ${directory}; keep the one that serves the ` +
            'frontend',
        );
      if (directory === undefined && url === undefined)
        report([], 'needs either directory (a built frontend) or url (a server for it)');
    }),
    rule(['signIn', 'public'], ({ signIn, public: paths }, report) => {
      if (paths.length > 0 && signIn === 'optional')
        report(
          ['public'],
          'is set, but signIn is optional, so every path is public; remove it or set signIn to ' +
            'required',
        );
      for (const [index, path] of paths.entries())
        if (isMainPage(path))
          report(
            ['public', index],
            `is ${path}, the application itself; remove it, or remove signIn: required`,
          );
    }),
  )
  .optional()
  .describe('The single-page application: everything that is neither an endpoint nor a route.');

/** Whether `index.html` of the built application is at this path. */
export function isMainPage(path: string): boolean {
  return ['/', '/index', '/index.html'].includes(path.toLowerCase());
}

/** Who may sign in, and the return URLs that are allowed after a sign-in. */
export const login = z
  .strictObject({
    defaultReturnUrl: localPath()
      .prefault('/')
      .describe('Where a browser goes after signing in or out if no other address was given.'),
    allowedReturnOrigins: listOf(browserOrigin())
      .prefault([])
      .describe(
        'Other origins that a return URL may lead to. Anyone who controls one of them can ' +
          'receive your users right after they sign in.',
      ),
    chooser: flag()
      .prefault(false)
      .describe(
        'With several providers: whether `/bff/login` without a provider shows a page to ' +
          'choose one. Otherwise it uses the first provider.',
      ),
    hook: loginHook,
    require: signInRules
      .optional()
      .describe(
        'Who may sign in, and which accounts may be connected: every entry must hold. Without ' +
          'it, everyone whom a provider signs in. See [access.md](access.md).',
      ),
  })
  .prefault({})
  .describe('What happens around a sign-in.');

/** The header that proves that a request comes from our own pages. */
export const csrf = z
  .strictObject({
    header: text(readCsrfHeader)
      .prefault('X-CSRF')
      .describe(
        'Name of the header that the frontend adds to its calls. Other sites cannot send it ' +
          'without a preflight, which is refused.',
      ),
    value: scalar<string, string | number>((value) =>
      (typeof value === 'string' && value) || typeof value === 'number'
        ? readValue(String(value))
        : refuse('must be text'),
    )
      .prefault('1')
      .describe(
        'Value that this header must have. It is not a secret; the presence of the header ' +
          'counts.',
      ),
  })
  .prefault({})
  .describe('The header that proves a call comes from your own pages.');

/** The data about the user that the frontend receives. */
export const user = z
  .strictObject({
    anonymous: oneOf([401, 200])
      .prefault(401)
      .describe(
        'Status of `/bff/user` without a session: `401` with a problem document, or `200` ' +
          'with `null`, which keeps browser consoles free of errors.',
      ),
    format: oneOf(['object', 'claims-array'])
      .prefault('object')
      .describe(
        'Shape of the response. `claims-array` is the shape that frontends written for Duende ' +
          'BFF expect.',
      ),
    claims: listOf(text())
      .min(1, 'needs at least one claim')
      .optional()
      .describe(
        'Names of the claims that a session keeps, after the hook. Without it, all but those ' +
          'about the token (`iss`, `aud`, `exp`, …). A rule or header that names another one ' +
          'stops the start. With `emailDomain`, `email_verified` is kept too.',
      ),
    refresh: duration({ atMost: '24d' })
      .optional()
      .describe(
        'Age at which a call lets UserInfo be read again; the call itself does not wait. Without ' +
          'it, claims change with the ID tokens of refreshes and by `POST /bff/refresh` alone.',
      ),
  })
  .prefault({})
  .describe('The response of `/bff/user`.');

/**
 * Headers that do not protect against CSRF: another site can send them without a preflight (Fetch,
 * CORS-safelisted), or scripts cannot set them.
 */
const ineffectiveHeaders = new Set(
  'accept accept-language content-language content-type content-length range authorization'
    .concat(' cookie cookie2 host origin referer connection te upgrade user-agent')
    .split(' '),
);

function readCsrfHeader(name: string): string {
  const lower = readName(name);
  if (ineffectiveHeaders.has(lower) || /^(proxy|sec)-/.test(lower))
    refuse(`${name} protects nothing, because browsers send it anyway; use a name like X-CSRF`);
  return name;
}

function readPolicy(policy: string): string {
  return /^[\t\x20-\x7e]*$/.test(policy)
    ? policy
    : refuse('must be one line of printable ASCII characters');
}
