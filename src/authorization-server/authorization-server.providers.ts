import { Logger, type Provider as NestProvider, type Type } from '@nestjs/common';
import type { errors, KoaContextWithOIDC, Provider as Library } from 'oidc-provider';
import { CLOCK, type Clock } from '../clock.ts';
import { interactionPath } from '../auth/login/interaction-path.ts';
import { ClientHandlesService } from '../session/clients/client-handles.service.ts';
import { ClientSessionsService } from '../session/clients/client-sessions.service.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session/session-options.ts';
import { KEY_VALUE_STORE, type KeyValueStore } from '../session/store/key-value-store.ts';
import { SealedRecords } from '../session/store/sealed-records.ts';
import { Sealing } from '../session/store/sealing.ts';
import type { ClientDocuments } from './client-documents/client-documents.ts';
import { sendAuthorizationError } from './error-page.ts';
import { clientAddress } from './client-address.ts';
import { AUTHORIZATION_SERVER, type AuthorizationServer } from './authorization-server.ts';
import { InteractionController } from './interaction.controller.ts';
import { WellKnownMiddleware } from './well-known.middleware.ts';
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
  WellKnownMiddleware,
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
  const documents = await openClientDocuments(options, clock);
  const addressOf = clientAddress(options);
  const parts = { records, sessions, handles, clock, documents, addressOf };
  const library = await createLibrary(options, parts, {
    interactionPath: (id) => interactionPath(options.basePath, id),
    showError: sendAuthorizationError,
  });
  logErrors(library);
  return new LibraryServer(library, options);
}

/** The time limit for the document of a client, in milliseconds. */
const documentTimeout = 5000;

async function openClientDocuments(
  { clientIdMetadataDocuments: enabled, publicUrl }: AuthorizationServerRoomOptions,
  clock: Clock,
): Promise<ClientDocuments | undefined> {
  if (!enabled) return undefined;
  const { ClientDocuments } = await import('./client-documents/client-documents.ts');
  const allowsLoopback = ['localhost', '127.0.0.1'].includes(new URL(publicUrl).hostname);
  return new ClientDocuments({ ...enabled, allowsLoopback, timeout: documentTimeout }, clock);
}

/** Logs what the library refuses. The client got the same code. */
function logErrors(library: Library): void {
  const logger = new Logger('AuthorizationServer');
  const onRefusal = ({ oidc }: KoaContextWithOIDC, error: errors.OIDCProviderError) => {
    const { error: code, error_description: description, error_detail: detail } = error;
    const client = oidc.client?.clientId;
    logger.log({ msg: 'client refused', code, client, reason: detail ?? description });
  };
  library.on('authorization.error', onRefusal);
  library.on('grant.error', onRefusal);
  library.on('revocation.error', onRefusal);
  library.on('device_authorization.error', onRefusal);
  library.on('server_error', (_context, err) => logger.error({ msg: 'server_error', err }));
}
