import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyTooLarge, readBody } from '../read-body.ts';
import { type AccessToken, Refusal } from './access-token.ts';
import { maxNoteLength, type Notes } from './notes.ts';
import { shownHeaders } from './shown-headers.ts';

/** A call that may pass: its access token has the scope its resource asks for. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly token: AccessToken;
  readonly notes: Notes;
  /** The last segment of the path. */
  readonly id: string;
}

/**
 * One resource of the API: which requests it answers and the scope they need. Absent scope: any
 * accepted token.
 */
export interface Resource {
  readonly method: string;
  readonly path: RegExp;
  readonly scope?: string;
  respond(call: Call): void | Promise<void>;
}

/** Everything the API offers. */
export const resources: readonly Resource[] = [
  { method: 'GET', path: /^\/api\/whoami$/, respond: whoAmI },
  { method: 'GET', path: /^\/api\/notes$/, scope: 'notes:read', respond: listNotes },
  { method: 'POST', path: /^\/api\/notes$/, scope: 'notes:write', respond: addNote },
  { method: 'DELETE', path: /^\/api\/notes\/[\w-]+$/, scope: 'notes:write', respond: removeNote },
  { method: 'GET', path: /^\/api\/time$/, scope: 'notes:read', respond: streamTime },
];

/** What the API sees of a call. The token itself is not among it. */
function whoAmI({ request, response, token }: Call): void {
  const { sub, iss, aud, scope, exp, client_id } = token.claims;
  sendJson(response, 200, {
    sub,
    scope,
    audience: aud,
    issuer: iss,
    client: client_id,
    tokenExpiresAt: new Date((exp ?? 0) * 1000).toISOString(),
    validation: token.validation,
    headers: shownHeaders(request),
  });
}

function listNotes({ response, token, notes }: Call): void {
  sendJson(response, 200, notes.of(token.sub));
}

async function addNote({ request, response, token, notes }: Call): Promise<void> {
  const note = notes.add(token.sub, await readText(request));
  response.setHeader('Location', `/api/notes/${note.id}`);
  sendJson(response, 201, note);
}

function removeNote({ response, token, notes, id }: Call): void {
  if (!notes.remove(token.sub, id)) throw new Refusal(404, 'You have no such note.');
  response.writeHead(204).end();
}

/**
 * The time, once a second, as Server-Sent Events: an answer that is read while it is still being
 * written.
 */
function streamTime({ response }: Call): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  const tell = () => response.write(`event: time\ndata: ${new Date().toISOString()}\n\n`);
  const timer = setInterval(tell, 1000);
  response.on('close', () => clearInterval(timer));
  tell();
}

async function readText(request: IncomingMessage): Promise<string> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'A note is sent as application/json.');
  }
  const body = await readBody(request, 4 * 1024).catch((error: unknown) => {
    throw error instanceof BodyTooLarge ? new Refusal(413, 'A note has at most 4 KB.') : error;
  });
  const text = textOf(body);
  if (text && text.length <= maxNoteLength) return text;
  throw new Refusal(400, `A note is {"text": "…"} with 1 to ${maxNoteLength} characters.`);
}

function textOf(body: Buffer): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    const text = typeof parsed === 'object' && parsed !== null && 'text' in parsed && parsed.text;
    return typeof text === 'string' ? text.trim() : undefined;
  } catch {
    return undefined; // Not JSON: told to the caller with the same sentence as a missing text.
  }
}

/** Answers with JSON that no cache keeps. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(value));
}
