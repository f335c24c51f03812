/**
 * An MCP server with one tool. It does no authentication of its own: it listens on loopback, and
 * the BFF in front of it lets only signed-in users through and says who they are.
 */
import { createServer } from 'node:http';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

const port = Number(process.env['PORT'] ?? 3100);

const server = createServer(async (request, response) => {
  // A header that only the BFF can set: `headers.set` of the route removes any other.
  const user = String(request.headers['x-user'] ?? 'unknown');
  const mcp = createMcpServer(user);
  // Without sessions every request stands alone, so any replica can serve it.
  const transport = new NodeStreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.once('close', () => void mcp.close());
  await mcp.connect(transport);
  await transport.handleRequest(request, response);
});
server.listen(port, '127.0.0.1', () => console.log(`MCP server at http://127.0.0.1:${port}/mcp`));

function createMcpServer(user: string): McpServer {
  const mcp = new McpServer({ name: 'example', version: '1.0.0' });
  mcp.registerTool(
    'greet',
    {
      description: 'Greets a person in the name of the signed-in user.',
      inputSchema: z.object({ name: z.string() }),
    },
    async ({ name }) => ({ content: [{ type: 'text', text: `Hello ${name}, says ${user}.` }] }),
  );
  return mcp;
}
