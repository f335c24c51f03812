/** A JSON object, such as the claims of a token. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object: neither `null` nor a list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the own property with this name, `undefined` if there is none. */
export function ownValue(node: object, name: string): unknown {
  return Object.hasOwn(node, name) ? (node as JsonObject)[name] : undefined;
}
