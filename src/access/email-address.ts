/** The longest address and the longest local part, in octets (RFC 5321 §4.5.3.1). */
const longestAddress = 254;
const longestLocalPart = 64;

/**
 * A local part that is a dot-atom of ASCII characters, without display name, comment or quotes (RFC
 * 5322 §3.4.1). Everything after its `@` is compared with the domains.
 */
const localPart = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@/;

/**
 * Whether a value is one well-formed ASCII address at one of the domains, not at their subdomains.
 * `domains` are in lower case. The case of ASCII letters in the address does not matter.
 */
export function isAddressAt(value: unknown, domains: readonly string[]): value is string {
  if (typeof value !== 'string' || value.length > longestAddress) return false;
  if (!localPart.test(value)) return false;
  const at = value.indexOf('@');
  return at <= longestLocalPart && domains.some((domain) => endsWithDomain(value, at, domain));
}

/** Compares without a copy in lower case, because this runs for every call of a route. */
function endsWithDomain(address: string, at: number, domain: string): boolean {
  if (address.length - at - 1 !== domain.length) return false;
  for (let index = 0; index < domain.length; index += 1) {
    const code = address.charCodeAt(at + 1 + index);
    const lower = code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
    if (lower !== domain.charCodeAt(index)) return false;
  }
  return true;
}
