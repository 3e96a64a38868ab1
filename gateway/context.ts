import type { Logger } from "pino";
import type { IdempotentCalls } from "#activities/idempotency/idempotent-calls.ts";
import type { PipelineDependencies } from "#activities/request/pipeline.ts";
import type { RequestAuthority } from "#activities/request/port.ts";
import type { CallTelemetry } from "#activities/telemetry/port.ts";
import type { BatchRoutes } from "./batches/ports.ts";
import type { HeldBodies } from "./held-bodies.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { OpenCalls } from "./open-calls.ts";
import type { RunRoutes } from "./routes/runs.ts";
import type { ServerLimits } from "./server-options.ts";

/** What the routes work with; built once by `createApp`. */
export type GatewayContext = {
	readonly authority: RequestAuthority;
	readonly pipeline: PipelineDependencies;
	/** Serves the calls that carry an Idempotency-Key. */
	readonly idempotentCalls: IdempotentCalls;
	readonly metrics: GatewayMetrics;
	readonly log: Pick<Logger, "error" | "warn" | "info">;
	readonly limits: ServerLimits;
	readonly openCalls: OpenCalls;
	readonly heldBodies: HeldBodies;
	/** Absent: calls are not sent as spans. */
	readonly telemetry?: CallTelemetry;
	/** Absent: no routes of agent runs. */
	readonly runs?: RunRoutes;
	/** Absent: no routes of files and batches. */
	readonly batches?: BatchRoutes;
};
