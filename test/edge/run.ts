/**
 * `npm run test:edge`: requests that servers may read differently, sent to the built server alone
 * and behind nginx and HAProxy, as most people run it. A program that is missing is named, and its
 * part is not run. The last line counts.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { plainOptions, startServer } from '../support/bff/built-server.ts';
import { describeViolation, tryFramings } from '../support/network/framing-outcomes.ts';
import { freePort } from '../support/network/ports.ts';
import { findProgram } from '../support/setup/provision.ts';
import { endRun, noteProcess, runDirectory } from '../support/setup/run-directory.ts';
import { startStrictUpstream } from '../support/upstream/strict-upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const fronts = {
  nginx: (port: number, behind: number, directory: string) => ({
    args: ['-p', directory, '-e', 'error.log', '-c', 'edge.conf', '-g', 'daemon off;'],
    text: `pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream bff { server 127.0.0.1:${behind}; keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://bff; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off;
    }
  }
}`,
  }),
  haproxy: (port: number, behind: number, directory: string) => ({
    args: ['-db', '-f', join(directory, 'edge.conf')],
    text: `defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend edge
  bind 127.0.0.1:${port}
  default_backend bff
backend bff
  http-reuse always
  server one 127.0.0.1:${behind}
`,
  }),
};

let [passed, failed] = [0, 0];
runDirectory();
// Whatever was started ends with this process, also when it ends early.
process.once('exit', endRun);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

await using upstream = await startStrictUpstream();
const options = await plainOptions({
  routes: [{ path: '/api', upstream: upstream.url, token: 'none' }],
});
await using server = await startServer(options);
const port = Number(options.server?.port);
await server.line('listening');
await attack('alone', port);
for (const name of ['nginx', 'haproxy'] as const) await attackBehind(name);
console.log(`test:edge: ${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

async function attackBehind(name: keyof typeof fronts): Promise<void> {
  const program = findProgram(name) ?? findProgram(`/usr/sbin/${name}`);
  if (!program) {
    console.log(
      `behind ${name}: NOT RUN, there is no ${name} on the PATH (apt-get install ${name})`,
    );
    return;
  }
  const front = await freePort();
  const directory = mkdtempSync(join(runDirectory(), `${name}-`));
  const { args, text } = fronts[name](front, port, directory);
  writeFileSync(join(directory, 'edge.conf'), text);
  const child = spawn(program, args, { cwd: directory, stdio: 'ignore' });
  noteProcess(child.pid ?? 0);
  await waitFor(() => accepts(front));
  await attack(`behind ${name}`, front);
  child.kill('SIGTERM');
}

async function attack(where: string, at: number): Promise<void> {
  const outcomes = await tryFramings(at, upstream, `/api/${where.replace(' ', '-')}`);
  for (const outcome of outcomes) {
    const violation = describeViolation(outcome);
    if (violation) console.log(`${where}: ${outcome.name}: ${violation}`);
    if (violation) failed += 1;
    else passed += 1;
  }
  for (const offence of upstream.offences.splice(0)) {
    console.log(`${where}: the upstream was sent ${offence}`);
    failed += 1;
  }
  const refused = outcomes.filter(({ arrived }) => arrived === 0).length;
  console.log(`${where}: ${outcomes.length} requests, ${refused} refused`);
}

function accepts(at: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(at, '127.0.0.1', () => resolve(true)).once('error', () =>
      resolve(false),
    );
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.end());
  });
}
