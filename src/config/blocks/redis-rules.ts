import { type Report, rule } from '../values/rule.ts';

/** The options that the rules below compare. A field is `undefined` if it is not configured. */
interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: number | undefined;
  readonly sentinel?: object | undefined;
  readonly cluster?: object | undefined;
}

const oneTopology = rule<ConnectionOptions>(
  ['url', 'sentinel', 'cluster'],
  ({ url, sentinel, cluster }, report) => {
    const given = Object.entries({ url, sentinel, cluster })
      .filter(([, value]) => value !== undefined)
      .map(([name]) => `redis.${name}`);
    if (given.length === 0)
      report(['url'], 'is required, or redis.sentinel or redis.cluster in its place');
    for (const name of given.slice(1))
      report([name.slice('redis.'.length)], `is set beside ${given[0]}; keep one of them`);
  },
);

const agreesWithUrl = rule<ConnectionOptions>(
  ['url', 'username', 'password', 'database'],
  ({ url, username, password, database }, report) => {
    const inUrl = url === undefined ? undefined : URL.parse(url);
    if (!inUrl) return;
    const number = inUrl.pathname.slice(1);
    if (differ(username, decodeURIComponent(inUrl.username)))
      report(['username'], 'is not the user that redis.url names; keep one of them');
    if (differ(password, decodeURIComponent(inUrl.password)))
      report(['password'], 'is not the password that redis.url contains; keep one of them');
    if (database !== undefined && number !== '' && database !== Number(number))
      report(['database'], `is ${database} and redis.url ends in ${number}; keep one of them`);
  },
);

const oneDatabase = rule<ConnectionOptions>(
  ['cluster', 'database'],
  ({ cluster, database }, report) => {
    if (cluster && database)
      report(['database'], `is ${database}, but Redis Cluster has only database 0; remove it`);
  },
);

/** Consistency rules for the `redis` block. */
export const redisConsistency = [oneTopology, agreesWithUrl, oneDatabase] as const;

/** Creates a check that a user name has a password. `block` is the name of the option block. */
export function passwordForUser(block: string) {
  return ({ url, username, password }: ConnectionOptions, report: Report): void => {
    const inUrl = url === undefined ? undefined : URL.parse(url)?.password;
    if (username !== undefined && password === undefined && !inUrl)
      report(['password'], `is required because ${block}.username is set`);
  };
}

/** Whether both values are set and differ. The URL has an empty string for a missing part. */
function differ(given: string | undefined, inUrl: string): boolean {
  return given !== undefined && inUrl !== '' && given !== inUrl;
}
