import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Dispatcher } from 'undici';
import { ResponseWriter } from '../../src/proxy/forward/response.ts';

const controller = { pause() {}, resume() {} } as unknown as Dispatcher.DispatchController;

it('holds any number of pieces until it begins, in time that grows as they do', async () => {
  const wire = new PassThrough({ highWaterMark: 1_000_000 });
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  response.assignSocket(wire as never);
  response.once('finish', () => wire.end());
  const writer = new ResponseWriter(response);
  const pieces = Array.from({ length: 100_000 }, (_, index) => String(index % 10));
  const before = process.cpuUsage();
  for (const piece of pieces) writer.take(controller, Buffer.from(piece));
  expect(process.cpuUsage(before).user).toBeLessThan(500_000);
  writer.begin(controller, 200, ['content-length', String(pieces.length)]);
  writer.complete();
  const [, body] = (await text(wire)).split('\r\n\r\n');
  expect(body === pieces.join('')).toBe(true);
});
