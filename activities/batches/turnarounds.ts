import type { TurnaroundEstimate } from "#domain/batching/turnaround.ts";
import type { BatchRecord } from "./port.ts";

/**
 * How long a provider's batches take, of the batches that this system gave it lately. Kept for a minute; where nothing is known, the estimate
 * says so (`source`). Implemented by ./store/turnaround.ts.
 */
export type Turnarounds = {
	/** Of a batch that would be submitted then, in milliseconds since 1970. */
	estimate(of: Pick<BatchRecord, "provider" | "deployment" | "endpoint">, submitAtMs: number): Promise<TurnaroundEstimate>;
};
