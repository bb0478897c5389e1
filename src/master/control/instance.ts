import type { ReloadResult, Status } from '../../shared/status.ts';

/** What the control server needs of a running instance. */
export interface Instance {
  status(): Status;
  /** Resolves when the rollout has ended; several callers may share one. */
  reload(): Promise<ReloadResult>;
  /** A worker serves, and no stop has begun. */
  readonly ready: boolean;
}
