import type { z } from 'zod';
import type { login, user } from './blocks/pages.ts';
import type { provider } from './blocks/provider.ts';
import type { route } from './blocks/route.ts';

/** The options that must be consistent with others. */
export interface ComparedOptions {
  readonly publicUrl: string;
  readonly server: { readonly port: number; readonly workers: number };
  readonly management: { readonly port: number };
  readonly basePath: string;
  readonly redis?: object | undefined;
  readonly frontend?: { readonly signIn: string; readonly public: readonly string[] } | undefined;
  readonly errorUrl?: string | undefined;
  readonly providers: readonly z.output<typeof provider>[];
  readonly login: z.output<typeof login>;
  readonly user: z.output<typeof user>;
  readonly bearer?: object | undefined;
  readonly authorizationServer?: object | undefined;
  readonly routes: readonly z.output<typeof route>[];
}
