/**
 * An MCP client: `node client.ts [name]` connects to `MCP_URL`, signs the user in if the server asks
 * for it, and calls a tool. The SDK does the discovery and PKCE by itself.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Client,
  type OAuthClientProvider,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';

const url = new URL(process.env['MCP_URL'] ?? 'http://localhost:8080/mcp');
const [name = 'world'] = process.argv.slice(2);

const state = randomUUID();
const listener = createServer().listen(0, '127.0.0.1');
await once(listener, 'listening');
const client = new Client({ name: 'example-client', version: '1.0.0' });
const provider = createProvider(listener);
await connect();
listener.close();

const result = await client.callTool({ name: 'greet', arguments: { name } });
console.log(JSON.stringify(result.content));
await client.close();

/** Connects. If the server responds with 401, the user signs in first. */
async function connect(): Promise<void> {
  const transport = new StreamableHTTPClientTransport(url, { authProvider: provider });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(await receiveCallback());
    await client.connect(new StreamableHTTPClientTransport(url, { authProvider: provider }));
  }
}

/** Waits for the browser to come back. The SDK sends `state` and leaves the comparison to us. */
async function receiveCallback(): Promise<URLSearchParams> {
  const [request, response] = await once(listener, 'request');
  response.setHeader('Connection', 'close').end('You can close this window.');
  const { searchParams } = new URL(request.url, 'http://127.0.0.1');
  if (searchParams.get('state') !== state) throw new Error('This is not our authorization.');
  return searchParams;
}

/** What the SDK needs to know of this client. It keeps everything in memory. */
function createProvider(server: Server): OAuthClientProvider {
  const { port } = server.address() as AddressInfo;
  const redirectUrl = `http://127.0.0.1:${port}/callback`;
  let tokens: StoredOAuthTokens | undefined;
  let verifier = '';
  return {
    redirectUrl,
    state: () => state,
    clientMetadata: { client_name: 'Example agent', redirect_uris: [redirectUrl] },
    // The id in `authorizationServer.clients`. An agent that connects to any server would have
    // `clientMetadataUrl` instead: the address of its metadata document.
    clientInformation: () => ({ client_id: process.env['CLIENT_ID'] ?? 'agent' }),
    tokens: () => tokens,
    saveTokens: (received) => {
      tokens = received;
    },
    redirectToAuthorization: (address) => {
      console.error(`Open ${address} if your browser does not.`);
      openBrowser(address.href);
    },
    saveCodeVerifier: (created) => {
      verifier = created;
    },
    codeVerifier: () => verifier,
  };
}

function openBrowser(address: string): void {
  const program = { darwin: 'open', win32: 'explorer' }[process.platform as string] ?? 'xdg-open';
  spawn(program, [address], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}
