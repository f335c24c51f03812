import { auth0 } from './auth0.ts';
import { discord } from './discord.ts';
import { entra } from './entra.ts';
import { github } from './github.ts';
import { gitlab } from './gitlab.ts';
import { google } from './google.ts';
import { keycloak } from './keycloak.ts';
import { okta } from './okta.ts';
import type { Preset } from './preset.ts';

/** All presets by name. To add one, add a file to this folder and an entry here. */
const presets = { auth0, discord, entra, github, gitlab, google, keycloak, okta };

/** The name of a preset. */
export type PresetName = keyof typeof presets;

/** All preset names, for the schema. */
export const presetNames = Object.keys(presets) as PresetName[];

/** The preset of a provider. `undefined` if it names none or an unknown one. */
export function presetOf({ preset: name }: { readonly preset?: unknown }): Preset | undefined {
  const known: Readonly<Record<string, Preset>> = presets;
  return typeof name === 'string' && Object.hasOwn(known, name) ? known[name] : undefined;
}
