import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { IdempotentCalls } from "#activities/idempotency/idempotent-calls.ts";
import type { DeploymentCatalog, ModelTransport } from "#activities/providers/port.ts";
import { createExactTokens } from "#activities/request/exact-tokens.ts";
import type { RequestAuthority } from "#activities/request/port.ts";
import type { CallRuns } from "#activities/request/run-step.ts";
import type { RunGuard } from "#activities/runs/guard-port.ts";
import type { CallTelemetry } from "#activities/telemetry/port.ts";
import type { FieldTable } from "#domain/bound/field-table.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { createApp } from "./app.ts";
import type { BatchRoutes } from "./batches/ports.ts";
import { createHeldBodies } from "./held-bodies.ts";
import { createGatewayMetrics } from "./metrics.ts";
import { createOpenCalls } from "./open-calls.ts";
import { builtInDecisions, type Decisions } from "./open-decider.ts";
import type { RunRoutes } from "./routes/runs.ts";
import type { ServerLimits } from "./server-options.ts";

export type GatewayOptions = {
	readonly authority: RequestAuthority;
	readonly idempotentCalls: IdempotentCalls;
	/** Calls as steps of agent runs. */
	readonly steps: { readonly calls: Pick<CallRuns, "enter">; readonly guard: Pick<RunGuard, "sizes" | "beginDrain"> };
	readonly catalog: DeploymentCatalog;
	readonly transport: ModelTransport;
	/** Default: the built-in rules alone. */
	readonly decisions?: Decisions;
	readonly fieldTables: Readonly<Record<Endpoint, FieldTable>>;
	readonly log: Pick<Logger, "error" | "warn" | "info">;
	readonly limits: ServerLimits;
	readonly pendingLedgerRows: () => number;
	/** Absent: calls are not sent as spans. */
	readonly telemetry?: CallTelemetry;
	/** For how long PostgreSQL has not taken a chunk of the ledger; default: it takes them. */
	readonly ledgerFailingMs?: () => number;
	/** Whose metrics are shown too; default none. */
	readonly metricsCompat?: "none" | "litellm";
	/** Absent: no routes of agent runs. */
	readonly runs?: RunRoutes;
	/** Absent: no routes of files and batches. */
	readonly batches?: BatchRoutes;
	/** Named point at which tests kill the process; default none. */
	readonly crashPoint?: (name: string) => void;
};

export type Gateway = {
	readonly server: FastifyInstance;
	/**
	 * Refuses new calls, waits for open ones (those whose caller left included) up to `deadlineMs`, then lets the
	 * authority flush and give its money back. A second call joins the first. What is still open then is found by the replay of the journal.
	 */
	drain(deadlineMs: number): Promise<void>;
};

const IDLE_SWEEP_MS = 20;
const SPANS_LEAVE_MS = 2_000;

/** Wires the HTTP skin to the request layer. */
export function createGateway(options: GatewayOptions): Gateway {
	const openCalls = createOpenCalls();
	const heldBodies = createHeldBodies(options.limits.heldBodyBytesMax);
	const { decider, counters: decisions } = options.decisions ?? builtInDecisions();
	const metrics = createGatewayMetrics({
		counters: options.authority.counters,
		decisions,
		pendingLedgerRows: options.pendingLedgerRows,
		ledgerFailingMs: options.ledgerFailingMs ?? (() => 0),
		isLitellm: options.metricsCompat === "litellm",
		openCalls: () => openCalls.count,
		heldBodyBytes: () => heldBodies.bytes,
		runs: () => options.steps.guard.sizes,
		telemetry: options.telemetry,
	});
	const exactTokens = createExactTokens({ onProblem: (problem) => options.log.warn({ problem }, "a text could not be counted; its bytes are the bound") });
	const pipeline = {
		authority: options.authority,
		catalog: options.catalog,
		transport: options.transport,
		decider,
		runs: options.steps.calls,
		fieldTables: options.fieldTables,
		exactTokens,
		answerBytesMax: options.limits.answerBytesMax,
		observer: metrics,
		nowMs: () => performance.now(),
		crashPoint: options.crashPoint ?? (() => undefined),
	};
	const app = createApp({
		authority: options.authority,
		idempotentCalls: options.idempotentCalls,
		pipeline,
		metrics,
		log: options.log,
		limits: options.limits,
		openCalls,
		heldBodies,
		...(options.telemetry && { telemetry: options.telemetry }),
		...(options.runs && { runs: options.runs }),
		...(options.batches && { batches: options.batches }),
	});
	const drain = async (deadlineMs: number): Promise<void> => {
		app.beginDrain();
		// Who waits for a run would hold a connection, and so the drain.
		options.steps.guard.beginDrain();
		const startedAtMs = performance.now();
		const closed = app.server.close();
		// A connection that was answering becomes idle later; nothing closes it unless asked again.
		const sweep = setInterval(() => app.server.server.closeIdleConnections(), IDLE_SWEEP_MS);
		await before(deadlineMs, Promise.all([openCalls.whenNone(), closed]));
		clearInterval(sweep);
		app.server.server.closeAllConnections();
		await closed;
		options.idempotentCalls.stop();
		await options.authority.drain(Math.max(0, deadlineMs - (performance.now() - startedAtMs)));
		// After the money, and never for long: a receiver that is away holds up no end.
		await options.telemetry?.close(Math.max(0, Math.min(SPANS_LEAVE_MS, deadlineMs - (performance.now() - startedAtMs))));
		await before(deadlineMs, Promise.all([options.transport.close(), exactTokens.close(), decider.close()]));
	};
	let draining: Promise<void> | undefined;
	return {
		server: app.server,
		drain(deadlineMs) {
			draining ??= drain(deadlineMs);
			return draining;
		},
	};
}

async function before(deadlineMs: number, work: Promise<unknown>): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const deadline = new Promise<void>((resolve) => {
		timer = setTimeout(resolve, deadlineMs);
	});
	await Promise.race([work, deadline]);
	clearTimeout(timer);
}
