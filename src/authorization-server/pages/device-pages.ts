import { escapeHtml } from '../../http/html-page.ts';
import { foreignText, type RenderedPage, renderCardPage, shortened } from './card-page.ts';

/** The form that a device page sends. */
export interface DeviceForm {
  /** The path that the form is sent to. */
  readonly action: string;
  /** The secret that the form repeats. */
  readonly secret: string;
}

/** Why a code was not accepted. */
export type DeviceProblem = 'missing' | 'wrong' | 'expired' | 'used' | 'too-many' | 'failed';

/** What happened, and what the user can do next. */
const problems: Readonly<Record<DeviceProblem, readonly [title: string, advice: string]>> = {
  missing: ['Enter the code first.', 'Your device shows it, for example BCDF-GHJK.'],
  wrong: [
    'This code does not work.',
    'Compare it with your device. A code ends after ten minutes: if yours is older, start again ' +
      'on the device to get a new one.',
  ],
  expired: ['This code has expired.', 'Start again on the device to get a new code.'],
  used: [
    'This code was used before.',
    'A code works once. Start again on the device to get a new code.',
  ],
  'too-many': [
    'There were too many attempts.',
    'Wait ten minutes, then start again on the device to get a new code.',
  ],
  failed: [
    'That did not work.',
    'Try again in a moment. If your code is older than ten minutes, get a new one.',
  ],
};

/** The part of a code that is worth showing again: of what the user typed, or of an address. */
const codeForm = /^[A-Za-z0-9][A-Za-z0-9 -]{0,30}$/;

/** Renders the page on which users enter the code of their device, with the reason of a failure. */
export function renderInputPage(
  form: DeviceForm,
  userCode = '',
  problem?: DeviceProblem,
): RenderedPage {
  const value = codeForm.test(userCode) ? ` value="${escapeHtml(userCode)}"` : '';
  const invalid = problem ? ' aria-invalid="true" aria-describedby="problem"' : '';
  const body = `<h1>Connect a device</h1>
${problem ? problemPart(problem) : '<p class="dim">Enter the code that your device shows.</p>'}
<form class="part" method="post" action="${escapeHtml(form.action)}">
${secretField(form)}
<label for="code">Code</label>
<input id="code" name="user_code"${value}${invalid} required autofocus maxlength="32"
autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="XXXX-XXXX">
<button class="main">Continue</button>
</form>
<p class="dim small part">Enter only a code from a device that you have before you, never one from
a message.</p>`;
  const [reason = ''] = problem ? problems[problem] : [];
  const title = `${reason} Connect a device`.trim();
  return renderCardPage({ title, body, formTargets: "'self'" });
}

/**
 * Renders the page on which users compare the code with that of their device (RFC 8628 §3.3.1).
 * `clientName` is `undefined` while the code comes from the address alone and was not looked up.
 * `targets` are the CSP sources of the sign-in that follows.
 */
export function renderConfirmationPage(
  form: DeviceForm,
  userCode: string,
  clientName: string | undefined,
  targets: string,
): RenderedPage {
  const isLookedUp = clientName !== undefined;
  const deny = isLookedUp ? '<button name="abort" value="yes">Deny</button>\n' : '';
  const body = `<h1>Connect ${isLookedUp ? foreignText(clientName, 40) : 'a device'}?</h1>
<p class="dim">Check that your device shows this code:</p>
<p class="code">${escapeHtml(userCode)}</p>
<form class="part${isLookedUp ? ' pair' : ''}" method="post" action="${escapeHtml(form.action)}">
${secretField(form)}
<input type="hidden" name="user_code" value="${escapeHtml(userCode)}">
<button class="main" name="confirm" value="yes">Continue</button>
${deny}</form>
<p class="dim small part">If the code differs, or if you did not start this on a device of your
own, do not continue: it may be an attempt to get access as you.</p>
${isLookedUp ? '' : `<p class="small"><a href="${escapeHtml(form.action)}">Enter another code</a></p>`}`;
  const title = `Connect ${isLookedUp ? shortened(clientName, 40) : 'a device'}?`;
  return renderCardPage({ title, body, formTargets: `'self' ${targets}` });
}

/** Renders the page after the user has allowed the device access. */
export function renderDonePage(clientName: string): RenderedPage {
  const body = `<p class="sign good" aria-hidden="true">✓</p>
<h1>${foreignText(clientName, 40)} is connected</h1>
<p class="dim">You can close this page and go on at your device. It takes a few seconds to notice.</p>
<p class="dim small part">You can end this access at any time in the list of your sessions.</p>`;
  return renderCardPage({ title: `${shortened(clientName, 40)} is connected`, body });
}

/** Renders the page after a form that is too old, or that was not sent from our page. */
export function renderStalePage(form: Pick<DeviceForm, 'action'>): RenderedPage {
  const body = `<h1>This page was open for too long</h1>
<p class="dim">Nothing was connected.</p>
<p class="part"><a class="button main" href="${escapeHtml(form.action)}">Enter the code again</a></p>`;
  return renderCardPage({ title: 'This page was open for too long', body });
}

/** Renders the page after the user has denied the device access. */
export function renderDeniedPage(form: Pick<DeviceForm, 'action'>): RenderedPage {
  const body = `<p class="sign" aria-hidden="true">✕</p>
<h1>The device was not connected</h1>
<p class="dim">It got no access, and its code no longer works. You can close this page.</p>
<p class="part"><a class="button" href="${escapeHtml(form.action)}">Enter another code</a></p>`;
  return renderCardPage({ title: 'The device was not connected', body });
}

function problemPart(problem: DeviceProblem): string {
  const [title, advice] = problems[problem];
  return `<p class="part alert" id="problem" role="alert"><strong>${title}</strong> ${advice}</p>`;
}

function secretField({ secret }: DeviceForm): string {
  return `<input type="hidden" name="xsrf" value="${escapeHtml(secret)}">`;
}
