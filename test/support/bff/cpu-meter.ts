/**
 * A module for `--import` into a server under test. It listens on the Unix socket `CPU_METER` and
 * sends to each connection the processor time that the process has used so far, in microseconds.
 */
import { createServer } from 'node:net';

const socket = process.env['CPU_METER'];
if (socket === undefined) throw new Error('CPU_METER names no socket.');
createServer((connection) => {
  const { user, system } = process.cpuUsage();
  connection.end(String(user + system));
})
  .listen(socket)
  .unref();
