import { errors, type Interaction, type Provider } from 'oidc-provider';
import { BodyTooLarge, readBody } from '../read-body.ts';
import type { Journeys } from './journeys.ts';
import { sendPage } from './page.ts';
import { consentPage, errorPage, signInPage } from './pages.ts';
import { cookiePath } from './paths.ts';
import { findPerson, people } from './people.ts';
import { clientOrigins } from './provider.ts';

type Context = Parameters<Parameters<Provider['use']>[0]>[0];

interface Visit {
  readonly ctx: Context;
  readonly provider: Provider;
  readonly journeys: Journeys;
  readonly details: Interaction;
  readonly formTargets: readonly string[];
}

const paths = new RegExp(`^${cookiePath}/interaction/[\\w-]+(?:/(sign-in|consent|cancel))?$`);

/** The pages where a person signs in and consents. They are plain forms and need no JavaScript. */
export function serveInteractions(provider: Provider, journeys: Journeys): void {
  provider.use(async (ctx, next) => {
    const matched = paths.exec(ctx.path);
    if (!matched) return next();
    try {
      await respond(await openVisit(ctx, provider, journeys), matched[1]);
    } catch (error) {
      if (error instanceof errors.SessionNotFound) {
        sendPage(ctx, errorPage('expired', undefined), { status: 400 });
      } else if (error instanceof BodyTooLarge) {
        sendPage(ctx, errorPage('body_too_large', undefined), { status: 413 });
      } else throw error;
    }
  });
}

async function openVisit(ctx: Context, provider: Provider, journeys: Journeys): Promise<Visit> {
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  const client = await provider.Client.find(String(details.params.client_id));
  return { ctx, provider, journeys, details, formTargets: clientOrigins(client) };
}

async function respond(visit: Visit, action: string | undefined): Promise<void> {
  const { method } = visit.ctx;
  const prompt = visit.details.prompt.name;
  if (action === undefined && method === 'GET') return show(visit, prompt);
  if (action === 'cancel' && method === 'POST') return cancel(visit);
  if (action === 'sign-in' && method === 'POST' && prompt === 'login') return signIn(visit);
  if (action === 'consent' && method === 'POST' && prompt === 'consent') return consent(visit);
  visit.ctx.redirect(`${cookiePath}/interaction/${visit.details.uid}`);
}

async function show(visit: Visit, prompt: string): Promise<void> {
  return prompt === 'login' ? showSignIn(visit) : showConsent(visit);
}

async function showSignIn(visit: Visit, mistake?: { username: string }): Promise<void> {
  const { ctx, provider, details, formTargets } = visit;
  note(visit, 'signInShown');
  const client = await provider.Client.find(String(details.params.client_id));
  const username = mistake?.username ?? String(details.params.login_hint ?? '');
  const page = signInPage({
    uid: details.uid,
    clientName: client?.clientName ?? '',
    people,
    username,
    isWrong: mistake !== undefined,
  });
  sendPage(ctx, page, { formTargets });
}

async function signIn(visit: Visit): Promise<void> {
  const { ctx, journeys, details } = visit;
  const form = new URLSearchParams((await readBody(ctx.req, 8 * 1024)).toString());
  const username = form.get('username') ?? '';
  const person = findPerson(username, form.get('password') ?? '');
  if (!person) {
    const journey = journeys.ofRequest(details.params);
    if (journey) journey.wrongPasswords += 1;
    return showSignIn(visit, { username });
  }
  note(visit, 'signInSubmitted');
  await resume(visit, { login: { accountId: person.sub, amr: ['pwd'] } });
}

async function showConsent(visit: Visit): Promise<void> {
  const { ctx, provider, details, formTargets } = visit;
  note(visit, 'consentShown');
  const client = await provider.Client.find(String(details.params.client_id));
  const person = people.find(({ sub }) => sub === details.session?.accountId);
  const page = consentPage({
    uid: details.uid,
    clientName: client?.clientName ?? '',
    redirectUri: String(details.params.redirect_uri),
    personName: person?.name ?? '',
    scopes: requestedScopes(details),
    mayRefresh: client?.grantTypeAllowed('refresh_token') ?? false,
  });
  sendPage(ctx, page, { formTargets });
}

async function consent(visit: Visit): Promise<void> {
  const { provider, details } = visit;
  const accountId = details.session?.accountId;
  const grant = new provider.Grant({
    clientId: String(details.params.client_id),
    ...(accountId !== undefined && { accountId }),
  });
  grant.addOIDCScope(requestedScopes(details));
  for (const resource of [details.params.resource].flat()) {
    grant.addResourceScope(String(resource), requestedScopes(details));
  }
  note(visit, 'consentGiven');
  await resume(visit, { consent: { grantId: await grant.save() } });
}

/** The client learns `access_denied` (RFC 6749 §4.1.2.1), whichever page the person left. */
async function cancel(visit: Visit): Promise<void> {
  await resume(visit, { error: 'access_denied', error_description: 'The person said no.' });
}

async function resume(
  { ctx, provider }: Visit,
  result: Parameters<Provider['interactionResult']>[2],
): Promise<void> {
  const returnTo = await provider.interactionResult(ctx.req, ctx.res, result);
  ctx.status = 303;
  ctx.redirect(returnTo);
}

function note(
  { journeys, details }: Visit,
  event: 'signInShown' | 'signInSubmitted' | 'consentShown' | 'consentGiven',
): void {
  const times = journeys.ofRequest(details.params)?.times;
  const isFirstLookOnly = event === 'signInShown' || event === 'consentShown';
  if (times && !(isFirstLookOnly && times[event])) times[event] = Date.now();
}

function requestedScopes({ params }: Interaction): string[] {
  return String(params.scope ?? '')
    .split(' ')
    .filter(Boolean);
}
