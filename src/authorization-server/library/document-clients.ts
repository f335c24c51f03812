import { type Adapter, type AdapterPayload, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { AuthorizationServerRoomOptions } from '../authorization-server-options.ts';
import { ClientDocumentError, type ClientDocuments } from '../client-documents/client-documents.ts';
import { metadataOfDocument } from './client-metadata.ts';
import { currentContext } from './current-context.ts';
import { translated } from './translated-errors.ts';

/** What the clients with documents are found by. */
export interface DocumentClientParts {
  /** The documents. `undefined` if only registered clients are allowed. */
  readonly documents?: ClientDocuments | undefined;
  /** The address of the client of a request, behind trusted proxies. */
  readonly addressOf: (context: KoaContextWithOIDC) => string;
}

/** The endpoints that clients call themselves. */
const clientRoutes = new Set(['token', 'revocation']);

/**
 * Finds the clients that are not registered, by their client ID metadata documents. The library
 * looks for them where it looks for dynamically registered clients.
 */
export class DocumentClients implements Adapter {
  constructor(
    private readonly parts: DocumentClientParts,
    private readonly options: AuthorizationServerRoomOptions,
  ) {}

  /** Throws an error of the library if the document cannot be fetched or is not acceptable. */
  async find(clientId: string): Promise<AdapterPayload | undefined> {
    const { documents, addressOf } = this.parts;
    const context = currentContext();
    try {
      const address = context ? addressOf(context) : '';
      const document = await translated(async () => documents?.find(clientId, address));
      return document && metadataOfDocument(document, this.options);
    } catch (error) {
      // The library would look for the client again, to redirect the error to it.
      if (context) Object.assign(context.oidc, { noclient: true });
      const isFromClient = clientRoutes.has(context?.oidc.route ?? '');
      throw error instanceof ClientDocumentError ? refusalOf(error, isFromClient) : error;
    }
  }

  async upsert(): Promise<void> {}
  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

/**
 * A client that has signed in must not take an outage of its document for the end of its tokens, as
 * with `invalid_client`. All reasons of one problem look the same: nothing tells whether an address
 * is private, or whether a port is open.
 */
function refusalOf({ problem, cause }: ClientDocumentError, isFromClient: boolean): Error {
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (problem === 'unacceptable')
    return new errors.InvalidClient(`the metadata document of the client ${detail}`, detail);
  const description = 'the metadata document of the client could not be fetched';
  if (!isFromClient) return new errors.InvalidClient(description, detail);
  const unavailable = new errors.TemporarilyUnavailable(description, detail);
  return Object.assign(unavailable, { status: 503, statusCode: 503 });
}
