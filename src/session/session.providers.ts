import type { Provider as NestProvider } from '@nestjs/common';
import type { Options } from '../config/options.ts';
import { logLostTokens, logUnshared, onRefresh } from './tokens/token-log.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { Providers } from '../oauth/providers.ts';
import { AccessTokenService } from './tokens/access-token.service.ts';
import { ClientTokens } from './tokens/client-tokens.ts';
import { CLOCK, type Clock } from '../clock.ts';
import { Connections } from './sessions/linked-accounts.service.ts';
import type { KeyValueStore } from './store/key-value-store.ts';
import { RouteTokenService } from './tokens/route-token.service.ts';
import { SealedRecords } from './store/sealed-records.ts';
import { Sealing } from './store/sealing.ts';
import { SessionStore } from './sessions/session-store.ts';
import { TokenKeeper } from './tokens/pending-writes.ts';
import { TokenRefresher } from './tokens/token-refresher.ts';

/** What keeps access tokens valid: those of sessions, of routes, and our own. It is told what injects `Options` and the store. */
export function tokenProviders(options: symbol, store: symbol): NestProvider[] {
  return [
    {
      provide: TokenRefresher,
      inject: [SessionStore, Providers, CLOCK, Recorder],
      useFactory: (
        sessions: SessionStore,
        providers: Providers,
        clock: Clock,
        recorder: Recorder,
      ) => {
        const keeper = new TokenKeeper(sessions, logLostTokens);
        return new TokenRefresher(sessions, keeper, providers, clock, onRefresh(recorder));
      },
    },
    {
      provide: ClientTokens,
      inject: [options, store, Sealing, Providers, CLOCK, Recorder],
      useFactory: (
        { redis }: Options,
        values: KeyValueStore,
        sealing: Sealing,
        providers: Providers,
        clock: Clock,
        recorder: Recorder,
      ) => {
        const records = new SealedRecords(values, sealing, `${redis?.keyPrefix ?? ''}client:`);
        const listeners = { onOutcome: onRefresh(recorder), onUnshared: logUnshared };
        return new ClientTokens(records, values, providers, clock, listeners);
      },
    },
    AccessTokenService,
    RouteTokenService,
    Connections,
  ];
}
