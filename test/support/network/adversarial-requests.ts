import {
  type Arbitrary,
  array,
  constant,
  constantFrom,
  integer,
  oneof,
  record,
  string,
} from 'fast-check';

/** A request that is meant to be expensive. */
export interface AdversarialRequest {
  /** `GET /bff/login?provider=corp`, for example. */
  readonly place: string;
  readonly attack: Attack;
}

/** Where the adversarial text is put. */
interface Attack {
  readonly into: 'path' | 'query' | 'returnUrl' | 'form' | 'cookie' | HeaderName;
  readonly text: string;
}

/**
 * Node.js refuses more than 16 KB of request line and header fields; the rest of a request takes
 * less than 600.
 */
export const mostOctets = 16 * 1024 - 600;

/** The maximum size of a form, in octets. */
export const mostInForm = 60 * 1024;

const headerNames = [
  'Accept',
  'Accept-Encoding',
  'Accept-Language',
  'Authorization',
  'Cache-Control',
  'Connection',
  'Content-Type',
  'Forwarded',
  'If-None-Match',
  'Origin',
  'Range',
  'Sec-Fetch-Mode',
  'Sec-WebSocket-Extensions',
  'Sec-WebSocket-Key',
  'traceparent',
  'Sec-WebSocket-Protocol',
  'TE',
  'tracestate',
  'Upgrade',
  'User-Agent',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Proto',
  'X-Forwarded-Port',
  'X-Request-Id',
  'DPoP',
] as const;
type HeaderName = (typeof headerNames)[number];

/** Characters and words at which parsers stop, continue or look back. */
const atom = constantFrom(
  ...' ;\t;/;//;\\;.;..;,;=;==;&;?;:;-;_;0;1;a;A;*;+;(;{;[;";\\";<;@;~;%;%%;\xa0;\xe9;\xff'.split(
    ';',
  ),
  ';',
  '%25',
  ...'%2F %5C %2E %00 %20 %41 %C3%A9 %E0%A4 %FF %3B'.split(' '),
  ...'&returnUrl= &returnUrl=/ &returnUrl[ &state= &code= &error= &iss= &a[]= &__proto__='.split(
    ' ',
  ),
  ...'https:// //a /bff /bff/ /.. ..; ;a= a=b; q=0. q=1, text/html, */*, gzip;q=0, W/" "a",'.split(
    ' ',
  ),
  ...'for= for=" for="[::1]", for=1.2.3.4; by=_a proto=http ,1.2.3.4 ,::1 ::ffff: host='.split(' '),
  ...'bff= ;bff=s: ; __Host-Http-bff= __Host-Http-bff=s%3A __Host-Http-bff-login=s%3Aa.b s: j:'.split(
    ' ',
  ),
  ...'websocket, Upgrade, close, permessage-deflate; 00- a=1, bytes=0-1, 0-, -1, Bearer DPoP'.split(
    ' ',
  ),
  ...'eyJ . .eyJ a.b. boundary= charset= utf-8 {" {"a": [[ __'.split(' '),
);

const fewAtoms = array(atom, { maxLength: 3 }).map((atoms) => atoms.join(''));

/**
 * The usual input for a slow parser: a prefix, many repetitions, and an end that does not match.
 */
function runs(most: number): Arbitrary<string> {
  const run = record({
    before: fewAtoms,
    pump: array(atom, { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join('')),
    part: constantFrom(1, 1, 1, 0.5, 0.1),
  });
  return record({ many: array(run, { minLength: 1, maxLength: 3 }), after: fewAtoms }).map(
    ({ many, after }) => {
      const room = Math.max(0, most / many.length - 50);
      const texts = many.map(
        ({ before, pump, part }) => before + pump.repeat(Math.floor((room * part) / pump.length)),
      );
      return (texts.join('') + after).slice(0, most);
    },
  );
}

/** Nested percent-encoding: `/%25252541`. */
function nested(most: number): Arbitrary<string> {
  return record({
    before: constantFrom('/', '//', '', '/a/', '/bff/'),
    pump: constantFrom('25', '25', '2525%', '%25'),
    after: constantFrom('41', '2F', '5C', '2e', '', 'zz', '00'),
  }).map(
    ({ before, pump, after }) =>
      `${before}%${pump.repeat(Math.floor((most - 20) / pump.length))}${after}`,
  );
}

/** Thousands of parameters or cookies with distinct names. */
function distinct(most: number): Arbitrary<string> {
  return record({
    before: constantFrom('', 'a', 'state', '__Host-Http-bff', 'returnUrl['),
    value: constantFrom('', '=', '=s:1', '=%', '=1'),
    separator: constantFrom('&', ';', '; ', ',', ', ', '&&'),
  }).map(({ before, value, separator }) => {
    const length = before.length + 3 + value.length + separator.length;
    const names = Array.from({ length: Math.floor(most / length) }, (_, index) =>
      index.toString(36).padStart(3, '0'),
    );
    return names.map((name) => before + name + value).join(separator);
  });
}

function slowTexts(most: number): Arbitrary<string> {
  return oneof(
    { weight: 6, arbitrary: runs(most) },
    { weight: 1, arbitrary: nested(most) },
    { weight: 2, arbitrary: distinct(most) },
    { weight: 1, arbitrary: string({ unit: 'binary', maxLength: 400, size: 'max' }) },
  );
}

const attack = oneof(
  record({
    into: oneof(
      { weight: 3, arbitrary: constant('path' as const) },
      { weight: 4, arbitrary: constant('query' as const) },
      { weight: 3, arbitrary: constant('returnUrl' as const) },
      { weight: 5, arbitrary: constant('cookie' as const) },
      { weight: 9, arbitrary: constantFrom(...headerNames) },
    ),
    text: oneof(slowTexts(mostOctets), integer({ min: 20, max: 5_000 }).chain(slowTexts)),
  }),
  record({ into: constant('form' as const), text: slowTexts(mostInForm) }),
);

/** Requests to these places, `GET /bff/login` for example. */
export function adversarialRequest(places: readonly string[]): Arbitrary<AdversarialRequest> {
  return record({
    place: constantFrom(...places),
    attack: oneof({ arbitrary: attack, weight: 1 }),
  });
}

/** The bytes of a request (latin1), with these header fields besides. */
export function bytesOf(
  { place, attack: { into, text } }: AdversarialRequest,
  others: Readonly<Record<string, string>> = {},
): string {
  const [method = 'GET', start = '/'] = place.split(' ');
  const target = targetWith(start, into, text);
  const fields: Record<string, string> = { Host: 'app.example.test', 'X-CSRF': '1', ...others };
  if (into === 'cookie') fields['Cookie'] = [others['Cookie'], inField(text)].join('; ');
  else if (into !== 'path' && into !== 'query' && into !== 'returnUrl' && into !== 'form')
    fields[into] = inField(text);
  const body = into === 'form' ? text : '';
  if (body) {
    fields['Content-Type'] ??= 'application/x-www-form-urlencoded';
    fields['Content-Length'] = String(Buffer.byteLength(body, 'latin1'));
  } else if (method !== 'GET') fields['Content-Length'] = '0';
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${head.join('')}\r\n${body}`;
}

function targetWith(start: string, into: Attack['into'], text: string): string {
  const [path = '', query] = start.split('?');
  const requested = query === undefined ? '?' : `?${query}&`;
  const inside = text.replaceAll(/[^\x21-\x7e]/g, percentEncoded);
  const short = inside.slice(0, mostOctets);
  if (into === 'path') return `${path}/${short}${query === undefined ? '' : `?${query}`}`;
  if (into === 'query') return `${path}${requested}${short}`;
  if (into === 'returnUrl') return `${path}${requested}returnUrl=${short}`;
  return start;
}

function percentEncoded(character: string): string {
  return `%${(character.charCodeAt(0) & 0xff).toString(16).padStart(2, '0')}`;
}

/** Only octets that a field value may have (RFC 9110 §5.5). */
function inField(text: string): string {
  return Buffer.from(text, 'latin1')
    .toString('latin1')
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '!');
}
