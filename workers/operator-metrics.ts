import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { Connection } from "#activities/database/connection.ts";
import { exposeBudgets } from "./budget-metrics.ts";
import { exposeLitellm } from "./litellm-metrics.ts";
import { repeat } from "./shared/repeat.ts";
import { exposeSpend } from "./spend-metrics.ts";

const READ_EVERY_MS = 15_000;

export type OperatorMetricsOptions = {
	readonly log: Pick<Logger, "info" | "warn" | "error">;
	readonly metrics: Registry;
	/** Series of one metric. */
	readonly seriesMax: number;
	readonly compat: "none" | "litellm";
};

/** Money for who watches it in Prometheus: read from PostgreSQL every 15 seconds, never while a scrape waits. `connection` is its own. Returns how to stop. */
export function startOperatorMetrics(connection: Connection, { log, metrics, seriesMax, compat }: OperatorMetricsOptions): () => Promise<void> {
	const readSpend = exposeSpend(connection.unprepared, { metrics, seriesMax });
	const readBudgets = exposeBudgets(connection.unprepared, { metrics, seriesMax });
	const showLitellm = compat === "litellm" ? exposeLitellm(connection.unprepared, { metrics, seriesMax }) : undefined;
	const work = async (): Promise<void> => {
		await readSpend();
		const budgets = await readBudgets();
		await showLitellm?.(budgets);
	};
	return repeat({ name: "metrics of money", everyMs: READ_EVERY_MS, work }, log);
}
