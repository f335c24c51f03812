import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger } from '@nestjs/common';
import { createApp } from './app.ts';
import { loadOptions } from './config/load.ts';
import type { Options } from './config/options.ts';

/** How long requests under way may take after `SIGTERM`, in milliseconds. */
const drainTime = 25_000;

/** Runs the server until `SIGTERM` or `SIGINT`, then finishes what is under way and exits 0. Throws when it cannot start. */
export async function serve(file: string | undefined): Promise<void> {
  const { options, warnings, source } = loadOptions({ file });
  const app = await createApp(options);
  const logger = new Logger('Server');
  for (const warning of warnings) logger.warn(warning);
  await listen(app, options);
  const { publicUrl, server, management } = options;
  logger.log({
    msg: 'listening',
    publicUrl,
    address: `${server.host}:${server.port}`,
    management: `${management.host}:${management.port}`,
    configuration: source,
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void drain(app, logger));
  }
}

async function listen(app: NestExpressApplication, { server }: Options): Promise<void> {
  try {
    await app.listen(server.port, server.host);
  } catch (error) {
    const { code, port = server.port } = error as { code?: string; port?: number };
    if (code !== 'EADDRINUSE') throw error;
    const option = port === server.port ? 'server.port' : 'management.port';
    throw new Error(
      `Port ${port} is taken. Stop what listens there, or choose another one with ${option}.`,
      { cause: error },
    );
  }
}

async function drain(app: NestExpressApplication, logger: Logger): Promise<void> {
  logger.log('draining');
  const server = app.getHttpServer();
  // Connections that fall idle while we wait would otherwise be kept alive for their next request.
  const sweep = setInterval(() => server.closeIdleConnections(), 100);
  const deadline = setTimeout(() => server.closeAllConnections(), drainTime);
  await app.close();
  clearInterval(sweep);
  clearTimeout(deadline);
  logger.log('stopped');
  process.exit(0);
}
