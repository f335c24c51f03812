import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../setup/provision.ts';
import { runDirectory } from '../setup/run-directory.ts';

/** A key with its certificate, in PEM and as files. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly keyFile: string;
  readonly certFile: string;
}

/**
 * What HTTPS tests need: a certificate for `localhost` and `127.0.0.1`, and the authority to trust
 * for it.
 */
export interface TestTls extends Certificate {
  /** The certificate authority, in PEM and as a file. */
  readonly ca: string;
  readonly caFile: string;
}

/**
 * The certificate authority and server certificate of this run; made once by the `openssl` program.
 */
export function testTls(): TestTls {
  const directory = authority();
  const caFile = join(directory, 'ca.crt');
  return { ...read(directory, 'server'), ca: readFileSync(caFile, 'utf8'), caFile };
}

/** A client certificate of the same authority, for mutual TLS. */
export function clientCertificate(commonName: string): Certificate {
  const directory = authority();
  const folder = mkdtempSync(join(runDirectory(), 'client-'));
  issue({ folder, name: 'client', subject: commonName, usage: 'clientAuth', directory });
  return read(folder, 'client');
}

function authority(): string {
  const finished = join(runDirectory(), 'tls');
  if (existsSync(finished)) return finished;
  const folder = mkdtempSync(join(runDirectory(), 'tls-'));
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=Test authority', '-keyout', 'ca.key', '-out', 'ca.crt'];
  openssl(folder, 'req', '-x509', ...key, ...names, '-days', '2');
  issue({ folder, name: 'server', subject: 'localhost', usage: 'serverAuth', directory: folder });
  return publish(folder, finished);
}

// Two workers may get here together. The first rename wins, and both use its files.
function publish(folder: string, finished: string): string {
  try {
    renameSync(folder, finished);
  } catch (error) {
    if (!existsSync(finished)) throw error;
  }
  return finished;
}

interface Issue {
  readonly folder: string;
  readonly name: string;
  readonly subject: string;
  readonly usage: string;
  readonly directory: string;
}

function issue({ folder, name, subject, usage, directory }: Issue): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', `${name}.key`, '-out', `${name}.csr`];
  openssl(folder, 'req', ...key, '-subj', `/CN=${subject}`, ...files);
  const extensions = `subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=${usage}\n`;
  writeFileSync(join(folder, `${name}.ext`), extensions);
  const ca = ['-CA', join(directory, 'ca.crt'), '-CAkey', join(directory, 'ca.key')];
  const input = ['-req', '-in', `${name}.csr`, '-extfile', `${name}.ext`];
  openssl(folder, 'x509', ...input, ...ca, '-CAcreateserial', '-days', '2', '-out', `${name}.crt`);
}

function openssl(cwd: string, ...args: readonly string[]): void {
  const program = findProgram('openssl');
  if (!program) {
    throw new Error('The HTTPS tests need the openssl program (apt-get install openssl).');
  }
  execFileSync(program, args, { cwd, stdio: 'pipe' });
}

function read(folder: string, name: string): Certificate {
  const [keyFile, certFile] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  return {
    key: readFileSync(keyFile, 'utf8'),
    cert: readFileSync(certFile, 'utf8'),
    keyFile,
    certFile,
  };
}
