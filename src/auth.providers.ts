import type { Provider as NestProvider } from '@nestjs/common';
import { LogoutState } from './auth/logout-state.ts';
import { OutgoingLogins } from './auth/outgoing-logins.service.ts';
import { SessionEvents } from './auth/session-events.ts';
import { CLOCK, type Clock } from './session/clock.ts';
import { Sealing } from './session/sealing.ts';
import { SessionEnds } from './session/session-ends.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session/session-options.ts';
import { SessionStore } from './session/session-store.ts';

/** What the endpoints work with beside their options. */
export const authProviders: NestProvider[] = [
  OutgoingLogins,
  {
    provide: LogoutState,
    inject: [Sealing],
    useFactory: (sealing: Sealing) => new LogoutState(sealing),
  },
  {
    provide: SessionEvents,
    inject: [SESSION_OPTIONS, SessionStore, SessionEnds, CLOCK],
    useFactory: (
      { session }: SessionRoomOptions,
      store: SessionStore,
      ends: SessionEnds,
      clock: Clock,
    ) => new SessionEvents({ store, ends, clock, idle: session.idle }),
  },
];
