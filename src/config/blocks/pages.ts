import { z } from 'zod';
import { browserOrigin, serverAddress } from '../values/addresses.ts';
import { readName, readValue } from './route-headers.ts';
import { builtFrontend, localPath } from '../values/paths.ts';
import { rule } from '../values/rule.ts';
import { flag, listOf, oneOf, refuse, scalar, text } from '../values/scalar.ts';

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
  )
  .optional()
  .describe('The single-page application: everything that is neither an endpoint nor a route.');

/** The return URLs that are allowed after a sign-in. */
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
  })
  .prefault({})
  .describe('The response of `/bff/user`.');

/**
 * Headers that another site can send without a preflight (Fetch, CORS-safelisted), or that scripts
 * cannot set.
 */
const useless = new Set(
  'accept accept-language content-language content-type content-length range authorization'
    .concat(' cookie cookie2 host origin referer connection te upgrade user-agent')
    .split(' '),
);

function readCsrfHeader(name: string): string {
  const lower = readName(name);
  if (useless.has(lower) || /^(proxy|sec)-/.test(lower))
    refuse(`${name} protects nothing, because browsers send it anyway; use a name like X-CSRF`);
  return name;
}

function readPolicy(policy: string): string {
  return /^[\t\x20-\x7e]*$/.test(policy)
    ? policy
    : refuse('must be one line of printable ASCII characters');
}
