import type { Request, Response } from 'express';
import { BffError, type ErrorCode } from '../../errors.ts';
import type { LoginParameters } from '../../oauth/login/login.ts';
import type { Query } from '../../http/query.ts';
import { markSuffix } from './login-mark.ts';
import { isPopup, isPopupResponse, keepOpener, sendToOpener } from './popup-login.ts';
import type { ReturnUrlRules } from './return-url.ts';
import { isSilent, isSilentResponse, sendToParentPage } from './silent-login.ts';

/** A request of a login, and the kind of window in which its response is shown. */
export interface LoginWindow {
  readonly kind: 'page' | 'frame' | 'popup';
  readonly request: Request;
  readonly response: Response;
}

/** Returns the window of a login that begins. */
export function windowOfLogin(
  request: Request,
  response: Response,
  query: Query,
  parameters: LoginParameters,
): LoginWindow {
  const isInFrame = isSilent(request.headers, parameters);
  return windowOf(isInFrame, isPopup(query), request, response);
}

/** Returns the window of an authorization response. */
export function windowOfResponse(
  request: Request,
  response: Response,
  state: string | undefined,
): LoginWindow {
  const { headers } = request;
  const isInFrame = isSilentResponse(headers, state);
  return windowOf(isInFrame, isPopupResponse(headers, state), request, response);
}

function windowOf(
  isInFrame: boolean,
  isInPopup: boolean,
  request: Request,
  response: Response,
): LoginWindow {
  if (isInFrame) return { kind: 'frame', request, response };
  if (isInPopup) keepOpener(response);
  return { kind: isInPopup ? 'popup' : 'page', request, response };
}

/** Returns the suffix of the `state` of a login in this window. */
export function markOfLogin({ kind }: LoginWindow, isRetry: boolean): string {
  const isInFrame = kind === 'frame';
  return markSuffix({
    silent: isInFrame,
    popup: kind === 'popup',
    secondTry: isRetry && !isInFrame,
  });
}

/**
 * Sends the result of a login to the page around the frame, or to the page that has opened the
 * pop-up. Returns whether there is such a page.
 */
export function sendResult(
  { kind, request, response }: LoginWindow,
  { publicUrl, basePath }: ReturnUrlRules,
  error?: BffError,
): boolean {
  if (kind === 'frame') sendToParentPage(response, publicUrl, error?.code ?? true);
  if (kind === 'popup') {
    const [path = ''] = request.originalUrl.split('?', 1);
    sendToOpener(response, publicUrl, path.slice(basePath.length), error);
  }
  return kind !== 'page';
}

/**
 * Runs a step of a login. An error in a frame or pop-up is sent to the other page, unless the login
 * is retried automatically, and reported to `onFailure`. All others are thrown.
 */
export async function reportingTo(
  window: LoginWindow,
  rules: ReturnUrlRules,
  onFailure: (message: string, code: ErrorCode) => void,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (window.kind === 'page' || !(error instanceof BffError) || error.headers['Refresh'])
      throw error;
    onFailure(
      window.kind === 'frame' ? 'silent sign-in failed' : 'pop-up sign-in failed',
      error.code,
    );
    sendResult(window, rules, error);
  }
}
