import { protectedResourceDocuments } from '../access/bearer/protected-resources.ts';
import type { Options } from '../config/options.ts';
import type { PublicDocuments } from '../http/public-documents.middleware.ts';
import {
  authorizationServerOptions,
  issuerOf,
  metadataPath,
} from './authorization-server-options.ts';
import { authorizationServerMetadata } from './metadata.ts';

/** The metadata of the routes for `bearer` and of the authorization server, by path. */
export function publicDocuments(options: Options): PublicDocuments {
  const server = authorizationServerOptions(options);
  const ownIssuer = server && issuerOf(server);
  return new Map([
    ...protectedResourceDocuments({ ...options, ownIssuer }),
    ...(server
      ? [[metadataPath(options.basePath), authorizationServerMetadata(server)] as const]
      : []),
  ]);
}
