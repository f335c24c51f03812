import { Logger, type Provider as NestProvider, type Type } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.ts';
import { interactionPath } from '../auth/login/interaction-path.ts';
import { ClientHandlesService } from '../session/clients/client-handles.service.ts';
import { ClientSessionsService } from '../session/clients/client-sessions.service.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session/session-options.ts';
import { KEY_VALUE_STORE, type KeyValueStore } from '../session/store/key-value-store.ts';
import { SealedRecords } from '../session/store/sealed-records.ts';
import { Sealing } from '../session/store/sealing.ts';
import { AUTHORIZATION_SERVER, type AuthorizationServer } from './authorization-server.ts';
import { InteractionController } from './interaction.controller.ts';
import { AuthorizationServerMiddleware } from './authorization-server.middleware.ts';
import {
  AUTHORIZATION_SERVER_OPTIONS,
  type AuthorizationServerRoomOptions,
} from './authorization-server-options.ts';

/** The controllers of the room. */
export const authorizationServerControllers: Type[] = [InteractionController];

/** The Nest providers of the room. The library is loaded only if it is configured. */
export const authorizationServerProviders: NestProvider[] = [
  AuthorizationServerMiddleware,
  {
    provide: AUTHORIZATION_SERVER,
    inject: [
      AUTHORIZATION_SERVER_OPTIONS,
      SESSION_OPTIONS,
      KEY_VALUE_STORE,
      Sealing,
      ClientSessionsService,
      ClientHandlesService,
      CLOCK,
    ],
    useFactory: openAuthorizationServer,
  },
];

async function openAuthorizationServer(
  options: AuthorizationServerRoomOptions | undefined,
  { redis, maxPendingLogins: most }: SessionRoomOptions,
  store: KeyValueStore,
  sealing: Sealing,
  sessions: ClientSessionsService,
  handles: ClientHandlesService,
  clock: Clock,
): Promise<AuthorizationServer | undefined> {
  if (!options) return undefined;
  const [{ createLibrary }, { LibraryServer }, { LibraryRecords }] = await Promise.all([
    import('./library/create-library.ts'),
    import('./library/library-server.ts'),
    import('./library/records.ts'),
  ]);
  const prefix = `${redis?.keyPrefix ?? ''}oauth:`;
  const slots = { store, key: `${prefix}pending`, most };
  const records = new LibraryRecords(new SealedRecords(store, sealing, prefix), slots);
  const library = await createLibrary(
    options,
    { records, sessions, handles, clock },
    {
      interactionPath: (id) => interactionPath(options.basePath, id),
      showError: (context, code, description) => {
        context.type = 'html';
        context.body = `${code} ${description}`;
      },
    },
  );
  const logger = new Logger('AuthorizationServer');
  library.on('server_error', (_context, err) => logger.error({ msg: 'server_error', err }));
  return new LibraryServer(library, options);
}
