import { Controller, Get, Inject, Req, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request } from 'express';
import { Providers } from '../../oauth/providers.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { type ProviderChoice, providerChoices } from './provider-choices.ts';
import { parameter, queryOf } from '../../http/query.ts';
import { judgedReturnUrl } from './return-url.ts';

/** Where people can sign in, for a frontend that lets them choose on a page of its own. */
@Controller({ version: VERSION_NEUTRAL })
export class ProvidersController {
  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly providers: Providers,
  ) {}

  /**
   * `GET /bff/providers?returnUrl=`: nothing of it depends on who asks, so it needs neither a
   * session nor the CSRF header.
   */
  @Get('providers')
  list(@Req() request: Request): ProviderChoice[] {
    const asked = parameter(queryOf(request), 'returnUrl');
    // Passed on as it was sent, because `login` validates it again.
    const returnUrl = asked && judgedReturnUrl(asked, this.options.returnUrl);
    const parameters = new URLSearchParams(returnUrl ? { returnUrl } : {});
    return providerChoices(this.providers, this.options.basePath, parameters);
  }
}
