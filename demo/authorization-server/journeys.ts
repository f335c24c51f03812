import { createHash, randomUUID } from 'node:crypto';

/**
 * When something happened during a sign-in, in epoch milliseconds; what was not needed is absent.
 */
export interface JourneyTimes {
  requestReceived: number;
  signInShown?: number;
  signInSubmitted?: number;
  consentShown?: number;
  consentGiven?: number;
  codeIssued?: number;
  tokenRequestReceived?: number;
  tokensIssued?: number;
  userInfoRead?: number;
}

/**
 * One sign-in as the authorization server saw it. Holds nothing that opens anything: no code, no
 * token, no verifier.
 */
export interface Journey {
  readonly id: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  readonly challenge: string;
  readonly challengeMethod: string;
  readonly hasState: boolean;
  readonly hasNonce: boolean;
  readonly times: JourneyTimes;
  sub?: string;
  wrongPasswords: number;
  verifier?: VerifierSeen;
  clientAuthentication?: string;
  tokens?: TokensIssued;
  refreshes: number;
}

/** The verifier as it may be shown: recognisable, but of no use. */
export interface VerifierSeen {
  readonly fingerprint: string;
  readonly length: number;
  readonly matchesChallenge: boolean;
}

/** Which tokens a sign-in brought. */
export interface TokensIssued {
  readonly accessTokenSeconds: number;
  readonly hasRefreshToken: boolean;
  readonly hasIdToken: boolean;
}

/** The parameters of an authorization request that a journey remembers. */
export interface AuthorizationRequest {
  readonly client_id?: unknown;
  readonly redirect_uri?: unknown;
  readonly scope?: unknown;
  readonly code_challenge?: unknown;
  readonly code_challenge_method?: unknown;
  readonly state?: unknown;
  readonly nonce?: unknown;
}

const maxJourneys = 500;

/**
 * The latest sign-ins at one authorization server. A sign-in is recognised by its code challenge,
 * later by its grant.
 */
export class Journeys {
  readonly #byChallenge = new Map<string, Journey>();
  readonly #byGrant = new Map<string, Journey>();

  /** Remembers a request when it is first seen; a repeated one keeps its first time. */
  begin(request: AuthorizationRequest, receivedAt: number): Journey {
    const challenge = String(request.code_challenge);
    const known = this.#byChallenge.get(challenge);
    if (known) return known;
    const journey: Journey = {
      id: randomUUID(),
      clientId: String(request.client_id),
      redirectUri: String(request.redirect_uri),
      scopes: String(request.scope ?? '')
        .split(' ')
        .filter(Boolean),
      challenge,
      challengeMethod: String(request.code_challenge_method),
      hasState: request.state !== undefined,
      hasNonce: request.nonce !== undefined,
      times: { requestReceived: receivedAt },
      wrongPasswords: 0,
      refreshes: 0,
    };
    remember(this.#byChallenge, challenge, journey);
    return journey;
  }

  ofRequest(request: AuthorizationRequest): Journey | undefined {
    return this.#byChallenge.get(String(request.code_challenge));
  }

  /** From now on the journey is found by its grant, which every token of the sign-in belongs to. */
  continueWithGrant(journey: Journey, grantId: string): void {
    remember(this.#byGrant, grantId, journey);
  }

  ofGrant(grantId: string): Journey | undefined {
    return this.#byGrant.get(grantId);
  }

  /**
   * Not by grant: sign-ins of one browser share one, and only the latest of them is found by it.
   */
  byId(id: unknown): Journey | undefined {
    return [...this.#byChallenge.values()].find((journey) => journey.id === id);
  }
}

/** A salted, shortened hash: the same verifier is recognised, the challenge is not reproduced. */
export function seeVerifier(verifier: string, challenge: string): VerifierSeen {
  return {
    fingerprint: createHash('sha256').update(`fingerprint:${verifier}`).digest('hex').slice(0, 12),
    length: verifier.length,
    matchesChallenge: createHash('sha256').update(verifier).digest('base64url') === challenge,
  };
}

function remember(journeys: Map<string, Journey>, key: string, journey: Journey): void {
  journeys.delete(key);
  journeys.set(key, journey);
  const oldest = journeys.keys().next().value;
  if (journeys.size > maxJourneys && oldest !== undefined) journeys.delete(oldest);
}
