import type { SpelledMistake } from '../../config/load.ts';
import type { Options } from '../../config/options.ts';
import type { ManagementResponse, ManagementRequest } from '../../management/management-request.ts';
import type { Metric } from '../../telemetry/metric.ts';

/** What the primary tells a worker. */
export type ToWorker =
  | { readonly kind: 'start'; readonly options: Options }
  | { readonly kind: 'stop' | 'retire' }
  | { readonly kind: 'figures'; readonly id: number }
  | { readonly kind: 'question'; readonly id: number; readonly question: ManagementRequest };

/** What a worker tells the primary. */
export type FromWorker =
  /** It may be told with which options to start. */
  | { readonly kind: 'ready' | 'listening' }
  /** It cannot start, because of these mistakes in the configuration. */
  | { readonly kind: 'mistakes'; readonly mistakes: readonly SpelledMistake[] }
  /** It cannot start, for another reason. */
  | { readonly kind: 'failed'; readonly error: unknown }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly answer: ManagementResponse | readonly Metric[];
    }
  /** What it has counted, when it ends. */
  | { readonly kind: 'farewell'; readonly figures: readonly Metric[] };
