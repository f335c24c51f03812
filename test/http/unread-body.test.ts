import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { limitUnreadBody } from '../../src/http/unread-body.ts';

describe('a body that no endpoint reads', () => {
  const head = 'POST /bff/logout HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n';

  async function send(bytes: string) {
    const server = createServer((request, response) => {
      limitUnreadBody(request, response, 100);
      response.end('done');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(bytes);
    const [data] = (await once(socket, 'data')) as [Buffer];
    return { server, socket, text: data.toString() };
  }

  it('gets its response, and loses its connection when it goes on trickling', async () => {
    const { server, socket, text } = await send(`${head}a`);
    expect(text).toMatch(/^HTTP\/1\.1 200/);
    const trickle = setInterval(() => socket.write('a'), 20);
    // Depending on what was in flight, the socket ends with a reset, on which `once` would reject.
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(trickle);
    server.close();
  });

  it('keeps its connection when it arrives', async () => {
    const { server, socket } = await send(head + 'a'.repeat(1000));
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toMatch(/^HTTP\/1\.1 200/);
    socket.destroy();
    server.close();
  });
});
