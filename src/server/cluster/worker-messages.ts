import type { FormattedMistake } from '../../config/load.ts';
import type { Options } from '../../config/options.ts';
import type { ManagementResponse, ManagementRequest } from '../../management/management-request.ts';
import type { ProcessMetrics } from '../../telemetry/metrics.ts';

/** A message from the primary to a worker. */
export type ToWorker =
  | { readonly kind: 'start'; readonly options: Options }
  | { readonly kind: 'stop' | 'retire' }
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'request'; readonly id: number; readonly request: ManagementRequest };

/** A message from a worker to the primary. */
export type FromWorker =
  /** `ready`: the worker waits for its options. `listening`: it serves requests. */
  | { readonly kind: 'ready' | 'listening' }
  /** The worker cannot start because of these configuration mistakes. */
  | { readonly kind: 'mistakes'; readonly mistakes: readonly FormattedMistake[] }
  /** The worker cannot start for another reason. */
  | { readonly kind: 'failed'; readonly error: unknown }
  | {
      readonly kind: 'response';
      readonly id: number;
      readonly response: ManagementResponse | ProcessMetrics;
    }
  /** The worker's final metrics, sent before it ends. */
  | { readonly kind: 'last metrics'; readonly metrics: ProcessMetrics };
