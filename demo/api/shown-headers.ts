import type { IncomingMessage } from 'node:http';

/** A request's headers as they may be shown: credentials only by their kind and length. */
export function shownHeaders({ headers }: IncomingMessage): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    shown[name] = show(name, String(value));
  }
  return shown;
}

function show(name: string, value: string): string {
  if (name === 'authorization') {
    const [scheme = '', credential = ''] = value.split(' ');
    return `${scheme} ${credential.slice(0, 3)}… (${credential.length} characters)`;
  }
  if (name === 'cookie') return value.replaceAll(/=[^;]*/g, '=…');
  return value;
}
