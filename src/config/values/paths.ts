import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { refuse, text } from './scalar.ts';

/**
 * The base path of the BFF's own endpoints. Other characters are excluded, because frameworks treat
 * them as patterns.
 */
export function basePath() {
  return text((value) => {
    if (value === '/') refuse('must not be / alone; use something like /bff');
    if (/[^\w/.~-]/.test(canonicalPath(value)))
      refuse('may contain only letters, digits, / and - . _ ~');
    return value;
  });
}

/** A path for request matching, in its normalized form. */
export function requestPath() {
  return text(canonicalPath);
}

/** A local path for redirects. Browsers cannot interpret it as another site. */
export function localPath() {
  return text((value) => {
    const decoded = decodePath(value);
    for (const spelling of [value, decoded])
      if (!/^\/(?![/\\])/.test(spelling) || /[\p{Cc}\\]/u.test(spelling))
        refuse('must be a path on this site: one leading /, no backslash, no control character');
    return value;
  });
}

/** A file that must be readable at startup. */
export function readableFile() {
  return text(
    (path) => {
      if (!statSync(pathOnly(path), { throwIfNoEntry: false })?.isFile())
        refuse(`there is no file ${path}`);
      if (!isReadable(path)) refuse(`the file ${path} cannot be read; check its permissions`);
      return path;
    },
    { isPath: true },
  );
}

/**
 * The folder of a built single-page application. It must exist at startup, because serving nothing
 * would look like an outage.
 */
export function builtFrontend() {
  return text(
    (path) => {
      if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
        refuse(`there is no directory ${path}; build the frontend first or correct the path`);
      if (!isReadable(join(path, 'index.html')))
        refuse(`the directory ${path} has no readable index.html; build the frontend first`);
      return path;
    },
    { isPath: true },
  );
}

function canonicalPath(value: string): string {
  if (!value.startsWith('/')) refuse('must begin with /');
  if (value === '/') return value;
  if (value.endsWith('/'))
    refuse('must not end with /; what is below the path belongs to it anyway');
  if (value.includes('%')) refuse('must be written without percent-encoding');
  if (/[^\w/.~!$&'()*+,=:@-]/.test(value))
    refuse("may contain only letters, digits, / and - . _ ~ ! $ & ' ( ) * + , = : @");
  if (/\/\/|\/\.{1,2}(\/|$)/.test(value)) refuse('must not contain //, /./ or /../');
  return value;
}

/** Refuses a certificate or key in place of its path, without quoting it. */
function pathOnly(value: string): string {
  return /[\r\n]|-----BEGIN/.test(value)
    ? refuse('must be the path of a file, not its content')
    : value;
}

function decodePath(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return refuse('contains an invalid percent-encoding');
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
