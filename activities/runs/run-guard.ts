import type { RunFlushes, RunGuardOptions } from "./guard-options.ts";
import type { RunGuard } from "./guard-port.ts";

export type OpenedRunGuard = { readonly guard: RunGuard; readonly flushes: RunFlushes };

/** The guard of one gateway epoch. */
export declare function openRunGuard(options: RunGuardOptions): OpenedRunGuard;
