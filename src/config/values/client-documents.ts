import { hostName } from './addresses.ts';
import { refuse, scalar } from './scalar.ts';

/** Which client ID metadata documents are fetched. */
export interface ClientDocumentRules {
  /** The only hosts whose documents are fetched. `undefined` allows every public host. */
  readonly allowedHosts: readonly string[] | undefined;
}

type Spelled = boolean | 'true' | 'false' | { readonly allowedHosts: readonly string[] };

/** `true`, `false`, or a block with the hosts that are allowed. */
export function clientDocuments() {
  return scalar<ClientDocumentRules | false, Spelled>((value) => {
    if (value === false || value === 'false') return false;
    if (value === true || value === 'true') return { allowedHosts: undefined };
    const { allowedHosts, ...others } = (value ?? {}) as { allowedHosts?: unknown };
    if (!Array.isArray(allowedHosts) || allowedHosts.length === 0 || Object.keys(others).length > 0)
      refuse('must be true, false, or { allowedHosts: [agent.example.com] }');
    return { allowedHosts: allowedHosts.map(readHost) };
  });
}

function readHost(value: unknown): string {
  const { success, data, error } = hostName().safeParse(value);
  return success ? data : refuse(`has an allowed host that ${error.issues[0]?.message}`);
}
