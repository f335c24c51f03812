import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BuiltFiles } from '../../src/frontend/built-files.ts';
import { waitFor } from '../support/time/wait-for.ts';

let directory: string;
let files: BuiltFiles;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'built-files-'));
  files = new BuiltFiles(directory);
});

afterEach(() => rmSync(directory, { recursive: true }));

function put(name: string, content = 'x'): string {
  const file = join(directory, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

const plain = () => false;
const nameOf = async (path: string) => (await files.find(path, plain))?.name;

describe('the file for an address', () => {
  beforeEach(() => {
    for (const name of [
      'index.html',
      'about.html',
      'docs/index.html',
      'assets/app.js',
      'a b/ü.txt',
      'LICENSE',
      '.env',
      '.git/config',
      'assets/.hidden',
      '.well-known/security.txt',
      '.well-known/.secret',
      '.well-knownx/file',
    ]) {
      put(name);
    }
  });

  it.each([
    ['/', '/index.html'],
    ['/index.html', '/index.html'],
    ['/about', '/about.html'],
    ['/about.html', '/about.html'],
    ['/docs', '/docs/index.html'],
    ['/docs/', '/docs/index.html'],
    ['/assets/app.js', '/assets/app.js'],
    ['/a b/ü.txt', '/a b/ü.txt'],
    ['/LICENSE', '/LICENSE'],
    ['/.well-known/security.txt', '/.well-known/security.txt'],
  ])('%s is %s', async (path, name) => {
    expect(await nameOf(path)).toBe(name);
  });

  it.each([
    '/nowhere',
    '/assets',
    '/assets/',
    '/assets/app.js/',
    '/index.html/x',
    '/.env',
    '/.git/config',
    '/.git',
    '/assets/.hidden',
    '/.well-known/.secret',
    '/.well-knownx/file',
    '/Index.HTML',
    `/${'a'.repeat(5_000)}`,
    '/a\0b',
  ])('%j is none', async (path) => {
    expect(await nameOf(path)).toBeUndefined();
  });
});

describe('a compressed neighbour', () => {
  it.each([
    [['br', 'gzip'], '/app.js.br', 'br'],
    [['gzip'], '/app.js.gz', 'gzip'],
    [['zstd'], '/app.js', undefined],
    [[], '/app.js', undefined],
  ])('is taken by who accepts %j: %s', async (accepted, source, coding) => {
    for (const name of ['app.js', 'app.js.br', 'app.js.gz']) put(name);
    const file = await files.find('/app.js', (one) => accepted.includes(one));
    expect(file).toMatchObject({ name: '/app.js', source });
    expect(file?.coding).toBe(coding);
  });

  it('is not needed', async () => {
    put('app.js');
    expect(await files.find('/app.js', () => true)).toMatchObject({ source: '/app.js' });
  });

  it('has its own ETag', async () => {
    put('app.js', 'long content');
    put('app.js.br', 'short');
    const [one, other] = [
      await files.find('/app.js', plain),
      await files.find('/app.js', () => true),
    ];
    expect(one?.etag).not.toBe(other?.etag);
  });
});

describe('the ETag', () => {
  it('stays while the file does', async () => {
    put('index.html');
    expect(await files.find('/', plain)).toEqual(await files.find('/', plain));
  });

  it('changes with a new build, though size and date stay the same, as in image builds', async () => {
    const file = put('index.html', '<script src="app-1.js">');
    utimesSync(file, 0, 0);
    const before = await files.find('/', plain);
    // As soon as the clock of the file system has moved on.
    await waitFor(async () => {
      rmSync(file);
      utimesSync(put('index.html', '<script src="app-2.js">'), 0, 0);
      expect((await files.find('/', plain))?.etag).not.toBe(before?.etag);
    });
  });
});
