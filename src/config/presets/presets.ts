import { auth0 } from './auth0.ts';
import { discord } from './discord.ts';
import { entra } from './entra.ts';
import { github } from './github.ts';
import { gitlab } from './gitlab.ts';
import { google } from './google.ts';
import { keycloak } from './keycloak.ts';
import { okta } from './okta.ts';
import type { Preset } from './preset.ts';

/**
 * Every preset by the name an operator writes. Another one is a file beside these and a line here.
 */
const presets = { auth0, discord, entra, github, gitlab, google, keycloak, okta };

/** The name of a preset. */
export type PresetName = keyof typeof presets;

/** All names, for the schema. */
export const presetNames = Object.keys(presets) as PresetName[];

/**
 * What is known of the service that a provider names. Absent: it names none, or one that does not
 * exist.
 */
export function presetOf({ preset: name }: { readonly preset?: unknown }): Preset | undefined {
  const known: Readonly<Record<string, Preset>> = presets;
  return typeof name === 'string' && Object.hasOwn(known, name) ? known[name] : undefined;
}
