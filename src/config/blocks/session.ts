import { z } from 'zod';
import { redisAddress, serverAndPort } from '../values/addresses.ts';
import { passwordForUser, redisConsistency } from './redis-rules.ts';
import { readableFile } from '../values/paths.ts';
import { rule } from '../values/rule.ts';
import { duration, flag, listOf, oneOf, refuse, text, wholeNumber } from '../values/scalar.ts';

const advice = 'make one with: openssl rand -base64 48';

const node = () => serverAndPort().describe('Address of one node, as `host:port`.');

const sentinel = z
  .strictObject({
    master: text().describe('Name of the master that the Sentinels watch, `mymaster` for example.'),
    nodes: listOf(node())
      .min(1, 'needs at least one address')
      .describe('The Sentinels, as `host:port`; usually three. List all of them.'),
    username: text().optional().describe('User at the Sentinels themselves, if they require one.'),
    password: text()
      .optional()
      .describe('Password at the Sentinels themselves, which often differs from `redis.password`.'),
  })
  .check(rule(['username', 'password'], passwordForUser('redis.sentinel')))
  .optional()
  .describe('Redis behind Sentinel: the Sentinels name the master, also after a failover.');

const cluster = z
  .strictObject({
    nodes: listOf(node())
      .min(1, 'needs at least one address')
      .describe(
        'Some nodes of the cluster, as `host:port`; the others are discovered. List several, ' +
          'because one may be down.',
      ),
  })
  .optional()
  .describe('Redis Cluster.');

const tls = z
  .strictObject({
    ca: readableFile()
      .optional()
      .describe('PEM file with the certificate authorities to trust instead of the public ones.'),
    cert: readableFile().optional().describe('PEM file with the client certificate for Redis.'),
    key: readableFile().optional().describe('PEM file with the private key of that certificate.'),
    servername: text()
      .optional()
      .describe('Name to expect in the certificate of Redis. By default the host of the address.'),
  })
  .check(
    rule(['cert', 'key'], ({ cert, key }, report) => {
      if (cert && !key) report(['key'], 'is required because redis.tls.cert is set');
      if (key && !cert) report(['cert'], 'is required because redis.tls.key is set');
    }),
  )
  .optional()
  .describe(
    'TLS to Redis, to the Sentinels and to every node of a cluster. It is enabled if the ' +
      'block is present, even empty (`{}`). The files are read again at every new ' +
      'connection.',
  );

/** The session store: exactly one of `url`, `sentinel` and `cluster`. */
export const redis = z
  .strictObject({
    url: redisAddress()
      .optional()
      .describe(
        'Redis or Valkey that holds sessions and pending logins: `redis://` or, encrypted, ' +
          '`rediss://`, with user, password and database number as needed. Set this, ' +
          '`redis.sentinel` or `redis.cluster`. Without any of them sessions live in the memory ' +
          'of one process and end with it, which is allowed only while `publicUrl` is http.',
      ),
    username: text()
      .optional()
      .describe('User of Redis (ACL). By default the one in `redis.url`, or the default user.'),
    password: text()
      .optional()
      .describe('Password of that user. By default the one in `redis.url`, or none.'),
    database: wholeNumber(0, 1_000_000)
      .optional()
      .describe('Database number. By default the one in `redis.url`, or 0.'),
    keyPrefix: text()
      .prefault('bff:')
      .describe(
        'Prefix of every key. Applications that share a Redis need different ones. Changing ' +
          'it signs all users out.',
      ),
    sentinel,
    cluster,
    tls,
  })
  .check(...redisConsistency, rule(['username', 'password', 'url'], passwordForUser('redis')))
  .optional()
  .describe('Where sessions live. Every replica needs the same one.');

/** The lifetimes and the cookie of sessions. */
export const session = z
  .strictObject({
    secrets: listOf(sessionSecret(), { missing: `is required; ${advice}` })
      .min(1, `needs at least one secret; ${advice}`)
      .describe(
        'Secrets, newest first, each at least 32 bytes (`openssl rand -base64 48`). The first ' +
          'signs cookies and encrypts sessions; all are accepted. Add a new one at the end on ' +
          'all replicas, then move it to the front, and remove the old one after ' +
          '`session.absolute`. Removing it earlier signs out the users who depend on it.',
      ),
    idle: duration({ atMost: '400d' })
      .prefault('30m')
      .describe('A session ends when its user has sent no request for this long.'),
    absolute: duration({ atMost: '400d' })
      .prefault('8h')
      .describe('A session ends this long after the sign-in, however active its user is.'),
    sameSite: oneOf(['strict', 'lax'])
      .prefault('strict')
      .describe(
        '`strict`: a user who follows a link from another site or a mail arrives signed out ' +
          'until the page itself requests `/bff/user`. `lax`: the user arrives signed in; the ' +
          'CSRF header still protects every call.',
      ),
    cookieName: text(readCookieName)
      .prefault('bff')
      .describe(
        'Last part of the cookie names. Applications on the same host, such as `localhost`, ' +
          'need different ones. It must not end in `-login`, `-device` or `-arrival`. Changing ' +
          'it signs all users out.',
      ),
    persistent: flag()
      .prefault(false)
      .describe(
        'Whether the cookie survives closing the browser. `session.idle` and ' +
          '`session.absolute` end the session either way.',
      ),
    refreshAhead: duration({ atMost: '24d' })
      .prefault('60s')
      .describe(
        'How long before its expiry an access token is refreshed, by the first call in that ' +
          'time; the call itself does not wait. At most a tenth of the token’s lifetime.',
      ),
    maxPerUser: wholeNumber(0, 1_000_000)
      .prefault(100)
      .describe(
        'Maximum number of sessions of a user; the next sign-in ends the oldest. `0` is no ' +
          'limit.',
      ),
    maxWebSockets: wholeNumber(0, 1_000_000)
      .prefault(100)
      .describe(
        'Maximum number of open WebSockets of a session on one replica; one more is refused ' +
          'with `429`. `0` is no limit. WebSockets do not renew the idle time; only requests ' +
          'do.',
      ),
  })
  .check(
    rule(['idle', 'absolute'], ({ idle, absolute }, report) => {
      if (idle > absolute)
        report(
          ['idle'],
          `is ${formatDuration(idle)}, longer than session.absolute ` +
            `(${formatDuration(absolute)}); make one of them fit the other`,
        );
    }),
  )
  .prefault({} as never)
  .describe('The lifetime of sessions and the attributes of their cookie.');

const placeholder =
  /change[-_ ]?(me|this|it)|keyboard[-_ ]?cat|replace[-_ ]?(me|this)|your[-_ ]?(\w+[-_ ])?secret|placeholder/i;

function sessionSecret() {
  return text((secret) => {
    const bytes = Buffer.byteLength(secret);
    if (bytes < 32) refuse(`has ${bytes} bytes and needs at least 32; ${advice}`);
    if (new Set(secret).size < 6 || /^(.{1,13})\1{2,}.{0,12}$/s.test(secret))
      refuse(`repeats itself, so it can be guessed; ${advice}`);
    if (placeholder.test(secret)) refuse(`is a placeholder, not a secret; ${advice}`);
    return secret;
  });
}

function readCookieName(name: string): string {
  if (/-(?:login|device|arrival)$/.test(name))
    refuse(
      'must not end in -login, -device or -arrival, like the other cookies of another application',
    );
  return /^[A-Za-z0-9_-]+$/.test(name)
    ? name
    : refuse('may contain only letters, digits, - and _, like bff');
}

function formatDuration(milliseconds: number): string {
  return milliseconds % 60_000 ? `${milliseconds / 1000}s` : `${milliseconds / 60_000}m`;
}
