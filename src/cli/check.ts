import { ConfigurationError, loadOptions } from '../config/load.ts';
import type { FrontendOptions, Options, RedisOptions } from '../config/options.ts';
import { describeWithHint } from './hints.ts';
import { withDeadline } from '../http/deadline.ts';
import { diagnoseProvider, type Remark } from '../oauth/provider/diagnosis.ts';
import { Provider } from '../oauth/provider/provider.ts';
import { ProviderRegistry } from '../oauth/provider-registry.ts';
import { checkReachable } from '../proxy/upstream/reachability.ts';
import {
  readUpstreamTls,
  type UpstreamTls,
  withProviderCertificates,
} from '../proxy/upstream/tls.ts';
import { diagnoseRedis } from '../session/store/redis/diagnosis.ts';

/** The result of one check. `warning`: the server can run, but something should be improved. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'error';
  readonly message: string;
}

/** The output of `check --json`. */
export interface Report {
  readonly ok: boolean;
  readonly checks: readonly Finding[];
}

type Verdict = Omit<Finding, 'name'>;

/** The timeout of one check, in milliseconds. */
const checkTimeout = 5000;

/**
 * Checks the configuration and everything it refers to in parallel, without starting the server.
 * Problems are findings, not thrown errors.
 */
export async function check(file: string | undefined): Promise<Report> {
  const checks = await findingsOf(file);
  return { ok: checks.every(({ status }) => status !== 'error'), checks };
}

/** Formats a report as text: one line per finding and a summary. */
export function describeReport(report: Report): string {
  const { checks } = report;
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.map(({ name, status, message }) =>
    [status.padEnd(7), name.padEnd(width), message].join('  '),
  );
  const errors = checks.filter(({ status }) => status === 'error').length;
  const warnings = checks.filter(({ status }) => status === 'warning').length;
  const summaryText = report.ok ? 'Ready to serve' : 'Not ready to serve';
  return [...lines, '', `${summaryText}: errors ${errors}, warnings ${warnings}.`].join('\n');
}

async function findingsOf(file: string | undefined): Promise<Finding[]> {
  const name = 'configuration';
  try {
    const { options, warnings, source } = loadOptions({ file });
    return [
      { name, ...ok(source) },
      ...warnings.map((message) => ({ name, ...warning(message) })),
      ...(await Promise.all(checksOf(options))),
    ];
  } catch (thrown) {
    if (!(thrown instanceof ConfigurationError)) throw thrown;
    return thrown.mistakes.map(({ path, message }) => ({
      name,
      ...error(path === name ? message : `${path}: ${message}`),
    }));
  }
}

function checksOf(options: Options): Promise<Finding>[] {
  const { publicUrl, basePath, redis, frontend } = options;
  const routes = withProviderCertificates(options.routes, options.providers);
  const providers = new ProviderRegistry(
    options.providers.map((provider) => new Provider(provider)),
    publicUrl + basePath,
  );
  return [
    runCheck('redis', '', () => checkRedis(redis)),
    ...providers.all.map((provider) =>
      runCheck(`provider:${provider.id}`, provider.options.issuer, () =>
        checkProvider(provider, providers.redirectUri(provider)),
      ),
    ),
    ...routes.flatMap((route) =>
      route.upstream.map((address) =>
        runCheck(`upstream:${route.path}`, address, () =>
          checkServer(address, readUpstreamTls(route)),
        ),
      ),
    ),
    ...(frontend ? [runCheck('frontend', frontend.url, () => checkFrontend(frontend))] : []),
  ];
}

/** Runs a check. An error or a timeout becomes a finding whose message starts with `where`. */
async function runCheck(
  name: string,
  where: string | undefined,
  run: () => Promise<Verdict>,
): Promise<Finding> {
  const failed = (thrown: unknown) =>
    error([where, describeWithHint(thrown)].filter(Boolean).join(': '));
  const timedOut = () => failed(`no response within ${checkTimeout} ms`);
  return { name, ...(await withDeadline(run().catch(failed), checkTimeout, timedOut)) };
}

async function checkRedis(redis: RedisOptions | undefined): Promise<Verdict> {
  if (!redis) {
    const loss = 'sessions live in the memory of one process and end with it';
    return warning(`not configured: ${loss}; set redis.url`);
  }
  const { product, isRecentEnough, maxmemoryPolicy = 'noeviction' } = await diagnoseRedis(redis);
  if (!isRecentEnough) return error(`${product} is too old; use Redis 7 or Valkey 8`);
  if (maxmemoryPolicy === 'noeviction') return ok(`${product} answers`);
  const loss = 'people are signed out whenever its memory is full';
  return warning(
    `${product} answers, but maxmemory-policy is ${maxmemoryPolicy}: ${loss}; set it to noeviction`,
  );
}

async function checkProvider(provider: Provider, redirectUri: string): Promise<Verdict> {
  const remarks = await diagnoseProvider(provider);
  const { issuer } = provider.options;
  if (remarks.length > 0) return summary(`${issuer} answers`, remarks);
  return ok(`${issuer} answers; ${redirectUri} must be a redirect URI of ours there`);
}

async function checkServer(address: string, tls: UpstreamTls = {}): Promise<Verdict> {
  await checkReachable(address, AbortSignal.timeout(checkTimeout), tls);
  return ok(`${address} accepts connections`);
}

/**
 * Checks the server of the frontend. A directory needs no check here: without an `index.html`, the
 * configuration is already refused.
 */
async function checkFrontend({ directory, url }: FrontendOptions): Promise<Verdict> {
  return url ? checkServer(url) : ok(`${directory} has an index.html`);
}

function summary(first: string, remarks: readonly Remark[]): Verdict {
  const isFailure = remarks.some(({ status }) => status === 'error');
  const message = [first, ...remarks.map((remark) => remark.message)].join('; ');
  return isFailure ? error(message) : warning(message);
}

function ok(message: string): Verdict {
  return { status: 'ok', message };
}

function warning(message: string): Verdict {
  return { status: 'warning', message };
}

function error(message: string): Verdict {
  return { status: 'error', message };
}
