import { Controller, Get, Inject, Req, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request } from 'express';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { type ProviderChoice, providerChoices } from './provider-choices.ts';
import { parameter, queryOf } from '../../http/query.ts';
import { validatedReturnUrl } from './return-url.ts';

/** Lists the providers, for a frontend with its own page to choose one. */
@Controller({ version: VERSION_NEUTRAL })
export class ProvidersController {
  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly providers: ProviderRegistry,
  ) {}

  /**
   * `GET /bff/providers?returnUrl=`. The response does not depend on the client, so it requires
   * neither a session nor the CSRF header.
   */
  @Get('providers')
  list(@Req() request: Request): ProviderChoice[] {
    const requested = parameter(queryOf(request), 'returnUrl');
    // The value is passed on as it was sent, because `login` validates it again.
    const returnUrl = requested && validatedReturnUrl(requested, this.options.returnUrl);
    const parameters = new URLSearchParams(returnUrl ? { returnUrl } : {});
    return providerChoices(this.providers, `${this.options.basePath}/login`, parameters);
  }
}
