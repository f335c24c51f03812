import type { Provider as NestProvider, Type } from '@nestjs/common';
import { BackchannelController } from './logout/backchannel.controller.ts';
import { ConnectController } from './account/connect.controller.ts';
import { EventsController } from './account/events.controller.ts';
import { FrontchannelController } from './logout/frontchannel.controller.ts';
import { LoginController } from './login/login.controller.ts';
import { LogoutController } from './logout/logout.controller.ts';
import { ProvidersController } from './login/providers.controller.ts';
import { SessionsController } from './account/sessions.controller.ts';
import { RefreshController } from './account/refresh.controller.ts';
import { UserController } from './account/user.controller.ts';
import { AUTH_OPTIONS, type AuthOptions } from './auth-options.ts';
import { returnUrlFor } from './login/return-url.ts';
import { LogoutState } from './logout/logout-state.ts';
import { OutgoingLoginsService } from './login/outgoing-logins.service.ts';
import { SignInAdmissionService } from './login/sign-in-admission.service.ts';
import { SignInCompletionService } from './login/sign-in-completion.service.ts';
import { UserResponseService } from './account/user-response.service.ts';
import { SessionEvents } from './account/session-events.ts';
import { CLOCK, type Clock } from '../clock.ts';
import { Sealing } from '../session/store/sealing.ts';
import { SessionNotifier } from '../session/sessions/session-notifier.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session/session-options.ts';
import {
  RETURN_URL_FOR,
  type ReturnUrlFor,
} from '../session/navigation/signed-out-navigation.service.ts';
import { SessionStore } from '../session/sessions/session-store.ts';

/** The controllers of the `auth` room. */
export const authControllers: Type[] = [
  LoginController,
  ProvidersController,
  UserController,
  RefreshController,
  BackchannelController,
  FrontchannelController,
  LogoutController,
  SessionsController,
  EventsController,
  ConnectController,
];

/** The Nest providers of the `auth` room, except its controllers. They require `AUTH_OPTIONS`. */
export const authProviders: NestProvider[] = [
  OutgoingLoginsService,
  SignInAdmissionService,
  SignInCompletionService,
  UserResponseService,
  {
    provide: RETURN_URL_FOR,
    inject: [AUTH_OPTIONS],
    useFactory:
      ({ returnUrl }: AuthOptions): ReturnUrlFor =>
      (address) =>
        returnUrlFor(address, returnUrl),
  },
  {
    provide: LogoutState,
    inject: [Sealing],
    useFactory: (sealing: Sealing) => new LogoutState(sealing),
  },
  {
    provide: SessionEvents,
    inject: [SESSION_OPTIONS, SessionStore, SessionNotifier, CLOCK],
    useFactory: (
      { session }: SessionRoomOptions,
      store: SessionStore,
      ends: SessionNotifier,
      clock: Clock,
    ) => new SessionEvents({ store, ends, clock, idle: session.idle }),
  },
];
