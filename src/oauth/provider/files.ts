import { readFileSync } from 'node:fs';
import { fapi2Algorithms } from '../../config/blocks/fapi2-profile.ts';
import { ConfigurationError } from '../../config/load.ts';
import type { ProviderOptions } from '../../config/options.ts';
import { reasonOf } from '../../errors.ts';
import { parseClientKey, readPrivateKeyPem } from '../client/key.ts';
import { readCertificates, refuseMismatch } from './tls.ts';

type FileOption = 'clientKey' | 'clientCert' | 'ca';

/**
 * Throws a `ConfigurationError` that lists every unusable file of the providers with its problem.
 */
export function refuseBadFiles(providers: readonly ProviderOptions[]): void {
  const mistakes = providers.flatMap((options, index) =>
    mistakesIn(options).map(({ option, sentence }) => ({
      path: ['providers', index, option],
      message: `the file ${options[option]} ${sentence}`,
    })),
  );
  if (mistakes.length > 0) throw new ConfigurationError(mistakes);
}

interface FileMistake {
  readonly option: FileOption;
  readonly sentence: string;
}

function mistakesIn(options: ProviderOptions): FileMistake[] {
  const { ca, clientCert, clientKey } = options;
  const mistakes = [
    ...attempt('ca', () => ca && readCertificates(ca)),
    ...attempt('clientCert', () => clientCert && readCertificates(clientCert)),
    ...attempt('clientKey', () => clientKey && readKey(clientKey, options)),
  ];
  if (mistakes.length > 0 || !clientCert || !clientKey) return mistakes;
  try {
    refuseMismatch(readCertificates(clientCert), readPrivateKeyPem(clientKey));
    return [];
  } catch (error) {
    const problem = `and clientKey cannot be used together (${reasonOf(error)})`;
    const sentence = `${problem}; give the key that belongs to the certificate`;
    return [{ option: 'clientCert', sentence }];
  }
}

function readKey(path: string, { profile }: ProviderOptions): void {
  const { alg } = parseClientKey(readFileSync(path, 'utf8'), profile ? 'PS256' : 'RS256');
  if (profile && !fapi2Algorithms.includes(alg))
    throw new Error(`signs with ${alg}, but profile is ${profile}; use PS256, ES256 or EdDSA`);
}

function attempt(option: FileOption, read: () => unknown): FileMistake[] {
  try {
    read();
    return [];
  } catch (error) {
    return [{ option, sentence: reasonOf(error) }];
  }
}
