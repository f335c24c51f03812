import { z } from 'zod';
import { hopByHop } from '../../http/hop-by-hop.ts';
import { type Report, rule } from '../values/rule.ts';
import { listOf, refuse, text } from '../values/scalar.ts';

const fieldName = /^[\w!#$%&'*+.^`|~-]+$/;

/** A claim in a header value: `${claims.sub}`. Header values contain no other `${`. */
export const claimReference = /\$\{claims\.([^\s{}]+)\}/g;

/** Upstream request headers that only the BFF sets or removes. */
const ours = new Set([
  ...hopByHop,
  'authorization',
  'cookie',
  'host',
  'content-length',
  'expect',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);

/**
 * Changes to the request headers of a route, in addition to the rules of
 * `proxy/headers/request-headers.ts`. Names are converted to lower case.
 */
export const headers = z
  .strictObject({
    set: z
      .record(z.string(), text(readValue))
      .check(rule([''], judgeNames))
      .transform(inLowerCase)
      .prefault({})
      .describe(
        'Headers that the upstream gets on every request, whatever the client sends under ' +
          'these names. `${claims.email}` is a claim of the signed-in user, ' +
          '`${claims.realm_access.roles}` a nested one. A header is not sent if its claim is ' +
          'missing or its value is longer than 8 KB. In claims, everything but printable ASCII ' +
          'is percent-encoded, `%` too, and the entries of a list are separated by commas.',
      ),
    remove: listOf(text(readName))
      .prefault([])
      .describe('Request headers that the upstream must not see.'),
    pass: listOf(text(readPassedName))
      .prefault([])
      .describe(
        'Request headers that are passed on although they would be removed, in exactly this ' +
          'spelling: `Authorization` on a route with `token: none`, or an identity header such ' +
          'as `X-Consumer-Id` that clients may set themselves. Headers that the BFF sets, and ' +
          '`Secure-Session-*`, are never passed.',
      ),
  })
  .prefault({})
  .describe('What happens to request headers beyond the usual.');

/** Validates a header name (RFC 9110 §5.1) and returns it in lower case. */
export function readName(name: string): string {
  return fieldName.test(name) ? name.toLowerCase() : refuse('is not the name of a header');
}

/** Validates a header value. It cannot start a new header (RFC 9110 §5.5). */
export function readValue(value: string): string {
  if (value.replaceAll(claimReference, '').includes('${'))
    refuse('may refer to claims only, like ${claims.sub}');
  return /^[\t\x20-\x7e]*$/.test(value)
    ? value
    : refuse('must be one line of printable ASCII characters');
}

/** Why a header is never passed on, even if `pass` lists it. */
const neverPassed: Readonly<Record<string, string>> = {
  host: 'the upstream always gets its own Host',
  expect: 'the BFF responds to it itself',
  cookie: 'the cookies of the application are passed on anyway, and ours never',
};

function readPassedName(spelled: string): string {
  const name = readName(spelled);
  if (hopByHop.has(name))
    refuse(`${spelled} concerns one connection only and is never passed on; remove it`);
  const why = neverPassed[name];
  return why === undefined ? name : refuse(`${spelled} has no effect here: ${why}; remove it`);
}

function judgeNames(set: Readonly<Record<string, string>>, report: Report): void {
  const names = Object.keys(set).map((name) => name.toLowerCase());
  for (const [index, name] of Object.keys(set).entries()) {
    if (!fieldName.test(name)) report([name], 'is not the name of a header');
    if (ours.has(name.toLowerCase())) report([name], 'is set by the BFF itself; remove it');
    if (names.indexOf(name.toLowerCase()) < index)
      report([name], 'is set twice; header names ignore case');
  }
}

function inLowerCase(set: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(set).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
