import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkArchitecture, ruleNames } from './architecture.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'architecture-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function broken(files: Record<string, string>): string[] {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return [...new Set(checkArchitecture(root).map(({ rule }) => rule))];
}

const cases: Record<string, Record<string, string>[]> = {
  'rooms import only rooms to their left': [
    { 'config/a.ts': "import { b } from '../oauth/b.ts';" },
    { 'oauth/a.ts': "import type { B } from '../session/b.ts';" },
    { 'session/a.ts': "const b = await import('../auth/b.ts');" },
    { 'session/a.ts': "type B = import('../proxy/b.ts').B;" },
    { 'auth/a.ts': "import '../proxy/b.ts';" },
    { 'proxy/a.ts': "import '../auth/b.ts';" },
    { 'frontend/a.ts': "import '../management/b.ts';" },
    { 'auth/deep/a.ts': "import '../../frontend/b.ts';" },
    { 'auth/a.ts': "import '../bff.module.ts';" },
    { 'config/a.ts': "import '../../package.ts';" },
    { 'errors.ts': "import './config/a.ts';" },
    { 'bff.module.ts': "import './server/app.ts';\n@Module({}) class A {}" },
    { 'server/app.ts': "import '../main.ts';" },
    { 'server/app.ts': "import '../cli/check.ts';" },
    { 'session/a.ts': "import '../bff.providers.ts';" },
    { 'http/a.ts': "import '../config/b.ts';" },
    { 'session/a.ts': "import '../access/b.ts';" },
    { 'access/a.ts': "import '../auth/b.ts';" },
    { 'clock.ts': "import './http/a.ts';" },
  ],
  'every folder is a room': [{ 'cellar/a.ts': '' }, { 'app.ts': '' }],
  'each library has one owner': [
    { 'auth/a.ts': "import { jwtVerify } from 'jose';" },
    { 'session/a.ts': "import * as client from 'openid-client';" },
    { 'auth/a.ts': "import session from 'express-session';" },
    { 'server/app.ts': "import { createClient } from 'redis';" },
    { 'proxy/a.ts': "import { RedisStore } from 'connect-redis';" },
    { 'auth/a.ts': "import { sign } from 'cookie-signature';" },
    { 'frontend/a.ts': "import { request } from 'undici';" },
    { 'frontend/a.ts': "import request from 'undici/lib/api.js';" },
  ],
  'only config/ reads the environment': [
    { 'main.ts': 'const port = process.env.PORT;' },
    { 'auth/a.ts': "const port = process['env'];" },
    { 'auth/a.ts': 'const { env } = process;' },
    { 'auth/a.ts': 'const { env: e } = process;' },
    { 'auth/a.ts': 'const e = globalThis.process.env;' },
    { 'auth/a.ts': "import { env } from 'node:process';" },
  ],
  'a file without a Nest suffix is plain TypeScript': [
    { 'auth/login.ts': "import { Injectable } from '@nestjs/common';" },
    { 'session/a.ts': "import { Logger } from 'nestjs-pino';" },
  ],
  'relative imports end in .ts': [
    { 'auth/a.ts': "import './b';" },
    { 'auth/a.ts': "import './b.js';" },
  ],
  'there is one Nest module': [
    { 'auth/auth.module.ts': '@Module({}) class AuthModule {}' },
    { 'bff.module.ts': '' },
    { 'bff.module.ts': '@Module({}) class A {}\n@Module({}) class B {}' },
  ],
  'a room has one providers file': [
    { 'session/tokens.providers.ts': '' },
    { 'session/tokens/session.providers.ts': '' },
  ],
  'no injection token is a parameter': [
    { 'oauth/oauth.providers.ts': 'function providers(options: symbol) { return options; }' },
  ],
  'no folder without a subject': [{ 'auth/utils/a.ts': '' }, { 'auth/common/a.ts': '' }],
  'no barrel but index.ts': [
    { 'auth/index.ts': '' },
    { 'auth/a.ts': "export * from './b.ts';" },
    { 'auth/a.ts': "export { b } from './b.ts';" },
  ],
  'no long files': [{ 'auth/a.ts': 'void 0;\n'.repeat(251) }],
  'named exports only': [
    { 'auth/a.ts': '/** Doc. */\nexport default function a() {}' },
    { 'auth/a.ts': 'const a = 1;\nexport default a;' },
    { 'auth/a.ts': '/** Doc. */\nconst a = 1;\nexport { a as default };' },
  ],
  'every exported thing has a doc comment': [
    { 'auth/a.ts': 'export function a() {}' },
    { 'auth/a.ts': '// not a doc comment\nexport const a = 1;' },
    { 'auth/a.ts': '/** */\nexport class A {}' },
    { 'auth/a.ts': '/** Far away. */\n\nexport interface A {}' },
    { 'auth/a.ts': "/** For the import. */\nimport './b.ts';\nexport type A = 1;" },
    { 'auth/a.ts': 'const a = 1;\nexport { a };' },
  ],
};

describe('the architecture rules', () => {
  it('have a counter-example each', () => {
    expect(Object.keys(cases).toSorted()).toEqual(ruleNames.toSorted());
  });

  const table = Object.entries(cases).flatMap(([rule, trees]) =>
    trees.map((files) => [rule, files] as const),
  );
  it.each(table)('"%s" is broken by %j', (rule, files) => {
    const rules = broken(files);
    // A tree may break a second rule on its way: an undocumented default export, a folder that is
    // no room.
    expect(rules).toContain(rule);
    expect(rules.length).toBeLessThanOrEqual(2);
  });

  it('are content with an empty tree, and with one that is not there', () => {
    expect(broken({})).toEqual([]);
    expect(checkArchitecture(join(root, 'missing'))).toEqual([]);
  });

  it('accept a tree that keeps all rules', () => {
    const files = {
      'errors.ts': '/** An error. */\nexport class BffError extends Error {}\n',
      'config/load.ts': 'const port = process.env.PORT;\n',
      'oauth/login.ts': "import * as c from 'openid-client';\nimport { request } from 'undici';\n",
      'session/a.service.ts':
        "import '@nestjs/common';\nimport 'redis';\nimport '../oauth/login.ts';\n",
      'auth/a.controller.ts':
        "import { BffError } from '../errors.ts';\nimport '../session/a.service.ts';\n" +
        '/** Overloaded. */\nexport function a(x: 1): 1;\nexport function a(x: 2): 2;\n' +
        'export function a(x: 1 | 2) { return x; }\n/** Decorated. */\n@Controller()\nexport class A {}\n',
      'proxy/proxy.providers.ts': "import '@nestjs/common';\n",
      'proxy/forward.ts': "import { request } from 'undici';\nconst env = { process: 1 };\n",
      'bff.module.ts':
        "import './auth/a.controller.ts';\n/** The one. */\n@Module({})\nexport class M {}\n",
      'server/app.ts': "import '@nestjs/core';\nimport '../bff.module.ts';\n",
      'index.ts': "export { M } from './bff.module.ts';\nexport * from './errors.ts';\n",
      'oauth/long.ts': 'void 0;\n'.repeat(250),
    };
    expect(broken(files)).toEqual([]);
  });

  it('say where', () => {
    broken({ 'auth/a.ts': "\n\nimport '../proxy/b.ts';\n" });
    expect(checkArchitecture(root)).toEqual([
      {
        rule: 'rooms import only rooms to their left',
        file: 'auth/a.ts',
        line: 3,
        message: 'must not know proxy/b.ts',
      },
    ]);
  });
});
