import type { Page } from 'playwright-core';

/**
 * Signs in as Ada, from the button of the demo to the page that shows her, consent included if it
 * is asked for.
 */
export async function signIn(page: Page): Promise<void> {
  await page.locator('#sign-in').click();
  await enterPassword(page);
  await showsAda(page);
}

/** Fills in the authorization server's form as Ada, and consents if it asks. */
export async function enterPassword(page: Page): Promise<void> {
  await page.getByLabel('Username').fill('ada');
  await page.getByLabel('Password').fill('pixie');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  const allow = page.getByRole('button', { name: 'Allow' });
  await allow.or(page.locator('body[data-state="signed-in"]')).first().waitFor();
  if (await allow.isVisible()) await allow.click();
}

/** Waits until the page says that Ada is signed in and has drawn her sign-in. */
export async function showsAda(page: Page): Promise<void> {
  await page.locator('body[data-state="signed-in"]').waitFor();
  await page.getByRole('heading', { level: 1, name: 'Ada Lovelace' }).waitFor();
  await page.getByRole('heading', { name: 'Your sign-in, in eleven steps' }).waitFor();
}

/** Adds a note through the API, and waits until it is listed. */
export async function addNote(page: Page, text: string): Promise<void> {
  await page.getByLabel('New note').fill(text);
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('listitem').filter({ hasText: text }).waitFor();
}

/** Signs out, at the BFF and at the authorization server. */
export async function signOut(page: Page): Promise<void> {
  await page.locator('#sign-out').click();
  await page.locator('body[data-state="signed-out"]').waitFor();
}

/** What a page has complained about: errors on its console, and errors nobody caught. */
export function errorsOf(page: Page): string[] {
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  return errors;
}
