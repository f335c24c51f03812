import { Inject, Injectable, Logger } from '@nestjs/common';
import type { AccessRule } from '../config/options.ts';
import { BffError } from '../errors.ts';
import type { Claims } from '../oauth/login/claims.ts';
import { type CompiledRules, compileRules, type Refusal } from './rules.ts';

/** Injects `AccessOptions`. */
export const ACCESS_OPTIONS = Symbol('access options');

/** The options of the `access` room. */
export interface AccessOptions {
  /** `login.require`. Empty if everyone may sign in. */
  readonly signInRules: readonly AccessRule[];
  readonly listener: AccessListener;
}

/** Is notified of refusals, without any data about the user. */
export interface AccessListener {
  /** `at` is the place of the refusal (see `AccessService.refused`), `index` that of the rule. */
  notAllowed(at: string, index: number): void;
}

/** Turns refusals by rules into errors, log lines and metrics. They contain no values of claims. */
@Injectable()
export class AccessService {
  readonly #logger = new Logger(AccessService.name);

  readonly #signInRules: CompiledRules;

  constructor(@Inject(ACCESS_OPTIONS) private readonly options: AccessOptions) {
    this.#signInRules = compileRules(options.signInRules);
  }

  /** Checks `login.require`. Returns `undefined` if the user may sign in. */
  signInRefusal(claims: Claims): Refusal | undefined {
    return this.#signInRules.refusal(claims);
  }

  /** Checks `login.require` again after the claims of a session have changed. Logs a refusal. */
  stillAdmits(claims: Claims): boolean {
    const refusal = this.signInRefusal(claims);
    if (refusal) this.refused(refusal, 'sign-in');
    return !refusal;
  }

  /**
   * Logs and counts a refusal. Returns the error to throw, `not_allowed` with the `claim`. `at` is
   * the path of a route, `sign-in`, `connect` for a connected account, or `host` for a controller
   * of the host application.
   */
  refused({ claim, index }: Refusal, at: string): BffError {
    this.#logger.log({ msg: 'access refused', at, claim, rule: index });
    this.options.listener.notAllowed(at, index);
    const cause = new Error(`rule ${index} for ${at} does not hold: ${claim}`);
    return new BffError('not_allowed', { cause, extensions: { claim } });
  }
}
