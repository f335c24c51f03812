import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { type AuthorizationServerRoomOptions, mountName } from '../authorization-server-options.ts';
import type { RenderedPage } from '../pages/card-page.ts';
import {
  type DeviceForm,
  type DeviceProblem,
  renderConfirmationPage,
  renderDeniedPage,
  renderDonePage,
  renderInputPage,
  renderStalePage,
} from '../pages/device-pages.ts';

type DeviceFlow = NonNullable<NonNullable<Configuration['features']>['deviceFlow']>;

/** The problems that the library tells by the names of error classes that it does not export. */
const problems: Readonly<Record<string, DeviceProblem>> = {
  NoCodeError: 'missing',
  NotFoundError: 'wrong',
  ExpiredError: 'expired',
  AlreadyUsedError: 'used',
};

/** Configures the device authorization grant (RFC 8628) with our pages. */
export function deviceFlow(options: AuthorizationServerRoomOptions): DeviceFlow {
  const { deviceAuthorization, basePath, publicUrl } = options;
  const action = `${basePath}/${mountName}/device`;
  // Chromium applies `form-action` to all redirects after a form. These lead to the provider, and
  // from there wherever it signs its users in.
  const targets = publicUrl.startsWith('https:') ? 'https:' : 'https: http:';
  const formOf = ({ oidc }: KoaContextWithOIDC): DeviceForm => {
    const secret = oidc.session?.state?.['secret'];
    return { action, secret: typeof secret === 'string' ? secret : '' };
  };
  return {
    enabled: deviceAuthorization,
    userCodeInputSource: (context, _form, _out, error) => {
      if (error?.name === 'AbortedError') return show(context, renderDeniedPage({ action }));
      if (error instanceof errors.InvalidRequest) {
        keepUnsaved(context);
        return show(context, renderStalePage({ action }));
      }
      const form = formOf(context);
      const named = error ? undefined : codeInAddress(context);
      if (named !== undefined)
        return show(context, renderConfirmationPage(form, named, undefined, targets));
      const problem = error && problemOf(error);
      if (problem === 'too-many') context.status = 429;
      show(context, renderInputPage(form, typedCode(error), problem));
    },
    userCodeConfirmSource: (context, _form, { clientName, clientId }, _deviceInfo, userCode) => {
      const name = clientName ?? clientId;
      show(context, renderConfirmationPage(formOf(context), userCode, name, targets));
    },
    successSource: (context) => {
      const { clientName, clientId = '' } = context.oidc.client ?? {};
      show(context, renderDonePage(clientName ?? clientId));
    },
  };
}

/**
 * Returns the code in `verification_uri_complete` (RFC 8628 §3.3.1), in the form that devices show.
 * `undefined` without a well-formed one.
 */
function codeInAddress({ req }: KoaContextWithOIDC): string | undefined {
  // The library would send the code on with a script, so `LibraryServer` removes it from `url`.
  const { originalUrl = '' } = req as { readonly originalUrl?: string };
  const code = URL.parse(originalUrl, 'http://localhost')?.searchParams.get('user_code') ?? '';
  const [, first, second] = /^([A-Z]{4})-?([A-Z]{4})$/.exec(code.trim().toUpperCase()) ?? [];
  return first && `${first}-${second}`;
}

/**
 * A form without the cookie of its session gets a new session, which the library fails to save
 * (`Session#persist`). The page after it has no form and needs none.
 */
function keepUnsaved({ oidc: { session } }: KoaContextWithOIDC): void {
  if (session && session.exp === undefined) Object.assign(session, { touched: false });
}

function problemOf(error: Error): DeviceProblem {
  if (error instanceof errors.SlowDown) return 'too-many';
  return problems[error.name] ?? 'failed';
}

function typedCode(error: Error | undefined): string | undefined {
  const userCode = (error as { readonly userCode?: unknown } | undefined)?.userCode;
  return typeof userCode === 'string' ? userCode : undefined;
}

function show(context: KoaContextWithOIDC, { html, headers }: RenderedPage): void {
  context.set({ ...headers });
  context.type = 'html';
  context.body = html;
}
