import { styleText } from 'node:util';
import { people } from '../authorization-server/people.ts';

/** What runs where, for the banner. */
export interface Running {
  readonly bff: string;
  readonly management: string;
  readonly authorizationServer: string;
  readonly api: string;
  readonly sessions: string;
}

/** What the demo says when all of it runs. */
export function banner({ bff, management, authorizationServer, api, sessions }: Running): string {
  const who = people.map(({ username, password }) => `${username} / ${password}`).join('  or  ');
  return [
    '',
    `  ${styleText(['bold', 'green'], 'Pixie BFF')} ${styleText('dim', 'demo')}`,
    '',
    line('Open', styleText(['bold', 'underline'], bff)),
    line('Sign in as', who),
    '',
    line('BFF', bff, `health at ${management}`),
    line('Authorization server', authorizationServer),
    line('API', api),
    line('Sessions', sessions),
    '',
    `  ${styleText('dim', 'Ctrl-C ends everything.')}`,
    '',
  ].join('\n');
}

function line(label: string, value: string, more = ''): string {
  return `  ${styleText('dim', label.padEnd(21))} ${value}${more && styleText('dim', `  ${more}`)}`;
}
