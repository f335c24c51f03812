import { DOCUMENT } from '@angular/common';
import type { HttpErrorResponse, HttpInterceptorFn } from '@angular/common/http';
import { DestroyRef, inject, InjectionToken, signal, type Signal } from '@angular/core';
import { type BffState, createBffClient, type StandardClaims } from 'pixie-bff/client';
import { catchError, from, switchMap, throwError } from 'rxjs';

/** Injects the client of the BFF. */
export const BFF = new InjectionToken('BFF', { providedIn: 'root', factory: createBffClient });

/** Codes of `401` that a sign-in resolves. */
const resolvedBySignIn = new Set(['not_signed_in', 'step_up_required']);

/**
 * Adds the CSRF header to requests to this origin. After `401` it signs in, in a pop-up window, and
 * repeats the request, so that a form in progress is not lost.
 */
export const bffInterceptor: HttpInterceptorFn = (request, next) => {
  const bff = inject(BFF);
  const { baseURI, location } = inject(DOCUMENT);
  if (new URL(request.url, baseURI).origin !== location.origin) return next(request);
  const ours = request.clone({ setHeaders: { 'X-CSRF': '1' } });
  return next(ours).pipe(
    catchError((failure: HttpErrorResponse) => {
      const problem = failure.error as { code?: string; loginUrl?: string } | null;
      if (failure.status !== 401 || !resolvedBySignIn.has(problem?.code ?? ''))
        return throwError(() => failure);
      const { loginUrl = '' } = problem ?? {};
      return from(bff.login({ popup: true, loginUrl })).pipe(
        switchMap(({ status }) =>
          status === 'signed-in' ? next(ours) : throwError(() => failure),
        ),
      );
    }),
  );
};

/** Returns who is signed in, as a signal, in a component or service. */
export function injectUser(): Signal<BffState<StandardClaims>> {
  const bff = inject(BFF);
  const state = signal(bff.getSnapshot());
  inject(DestroyRef).onDestroy(bff.subscribe(() => state.set(bff.getSnapshot())));
  return state.asReadonly();
}
