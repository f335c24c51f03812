import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as api from '../src/index.ts';
import { runDirectory } from './support/setup/run-directory.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

it('exports exactly this, and nothing else by accident', () => {
  expect(Object.keys(api).toSorted()).toEqual([
    'BffError',
    'BffModule',
    'BffService',
    'ConfigurationError',
    'CurrentUser',
    'NotAllowedException',
    'Require',
    'SignedInGuard',
    'createPkcePair',
    'signedInAs',
    'withUser',
  ]);
});

/** What somebody writes who has installed the package. */
const hostApplication = `
import { Controller, Get, Injectable, Module, UseGuards } from '@nestjs/common';
import {
  type BffAsyncOptions, BffError, BffModule, type BffService, ConfigurationError, createPkcePair, CurrentUser, type ErrorCode,
  type HookClaims, NotAllowedException, type OptionsInput, type PkcePair, Require, SignedInGuard, signedInAs,
  type SignInRule, type SignInUser, type User, withUser,
} from 'pixie-bff';
import { conformance, type KeyValueStore } from 'pixie-bff/store';

@Injectable()
class Settings {
  readonly issuer = 'https://login.example.com';
}

const options: OptionsInput = {
  publicUrl: 'http://localhost:8080',
  session: { secrets: ['long enough, of course, for a session secret'], idle: '20m' },
  providers: [{ id: 'corp', issuer: new Settings().issuer, clientId: 'spa', clientSecret: 'x' }],
  routes: [{ path: '/api', upstream: 'http://api:3000' }],
};

export const asynchronous: BffAsyncOptions = {
  inject: [Settings],
  useFactory: (settings: Settings) => ({
    ...options,
    providers: [{ id: 'corp', issuer: settings.issuer, clientId: 'spa', clientSecret: 'x' }],
  }),
  useHooks: ({ issuer }: Settings) => ({ onSignIn: async () => ({ issuer }) }),
};

const onSignIn = async ({ event, sub, claims }: SignInUser): Promise<HookClaims> => {
  if (sub === 'mallory') throw new NotAllowedException('the user is blocked');
  return { event, nick: claims['name'] ?? null };
};

interface Staff {
  readonly roles: readonly string[];
}
const admins: SignInRule = { claim: 'roles', any: ['admin'] };

@Controller()
@UseGuards(SignedInGuard)
class Greeting {
  @Get()
  greet(@CurrentUser() user: User): string {
    return String(user.claims['name'] ?? user.sub);
  }

  @Get('roles')
  roles(@CurrentUser<Staff>() user: User<Staff>): readonly string[] {
    return user.claims.roles;
  }

  // @ts-expect-error the claims are not stated
  wrong(@CurrentUser() user: User<Staff>): string {
    return user.sub;
  }

  @Get('admin')
  @Require(admins, { anyOf: [{ claim: 'audit', equals: true }, { claim: 'groups', all: ['a'] }] })
  administer(): void {}
}

@Module({ imports: [BffModule.forRoot(options, { onSignIn }), BffModule.forRootAsync(asynchronous)], controllers: [Greeting] })
export class HostModule {}

export const code: ErrorCode = new BffError('not_signed_in').code;
export const pair: Promise<PkcePair> = createPkcePair();
export const paths = (error: ConfigurationError): string[] => error.mistakes.map(({ path }) => path);

export const storeTests = (store: KeyValueStore): string[] => conformance(() => store).map(({ name }) => name);
export const withStore = (store: KeyValueStore) => BffModule.forRoot(options, { store, bodyParser: false });
export const hostToken = (bff: BffService): Promise<string> => bff.accessToken({ headers: {} }, { audience: 'x' });

export const guard = signedInAs({ sub: 'alice', claims: { roles: ['admin'] } });
withUser({}, { sub: 'alice', provider: 'corp', claims: {} });

// @ts-expect-error an option that does not exist
export const misspelt: OptionsInput = { ...options, publicURL: '' };
// @ts-expect-error a controller has no rules for single methods
export const byMethod: SignInRule = { ...admins, methods: ['GET'] };
// @ts-expect-error a user has no token
export const token = (user: User): unknown => user.accessToken;
`;

it('can be imported by its name once it is built, with its types', () => {
  const directory = mkdtempSync(join(runDirectory(), 'host-'));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(root, join(directory, 'node_modules', 'pixie-bff'));
  for (const name of ['@nestjs', '@types'])
    symlinkSync(join(root, 'node_modules', name), join(directory, 'node_modules', name));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(directory, 'host.ts'), hostApplication);
  const flags =
    '--noEmit --strict --module nodenext --target es2024 --experimentalDecorators --emitDecoratorMetadata';
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const compile = () =>
    execFileSync(
      process.execPath,
      [compiler, ...flags.split(' '), '--skipLibCheck', '--types', 'node', 'host.ts'],
      {
        cwd: directory,
        encoding: 'utf8',
      },
    );
  expect(outputOf(compile)).toBe('');
  const print = "import * as api from 'pixie-bff'; console.log(Object.keys(api).toSorted().join())";
  const run = () =>
    execFileSync(process.execPath, ['--input-type=module', '-e', print], {
      cwd: directory,
      encoding: 'utf8',
    });
  expect(outputOf(run).trim().split(',')).toEqual(Object.keys(api).toSorted());
});

/** What a program printed, also when it failed. */
function outputOf(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return `${(error as { stdout: string }).stdout}${(error as { stderr: string }).stderr}`;
  }
}
