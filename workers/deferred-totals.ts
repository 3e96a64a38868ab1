import { Counter, type Registry } from "prom-client";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";

type Total = { readonly lane: string; readonly outcome: string; readonly items: string; readonly late_items: string; readonly saved_nano_usd: string };

const READ = "SELECT lane, outcome, items, late_items, saved_nano_usd FROM tollgate.deferred_total";
const NANO_USD_PER_USD = 1e9;

/** Counters of ended items as they stand in PostgreSQL, so that no restart loses one or counts it twice. Answers how to read them again. */
export function exposeDeferredTotals(sql: SqlConnection, metrics: Registry): () => Promise<void> {
	let totals: readonly Total[] = [];
	const sum = (of: (total: Total) => string): number => totals.reduce((so, total) => so + Number(of(total)), 0);
	new Counter({
		name: "tollgate_deferred_items_total",
		help: "Items handed in alone that ended, by the lane they took and how.",
		labelNames: ["lane", "outcome"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { lane, outcome, items } of totals) this.inc({ lane, outcome }, Number(items));
		},
	});
	new Counter({
		name: "tollgate_deferred_late_total",
		help: "Items handed in alone that ended after their deadline.",
		registers: [metrics],
		collect() {
			this.reset();
			this.inc(sum(({ late_items }) => late_items));
		},
	});
	new Counter({
		name: "tollgate_deferred_saved_usd_total",
		help: "What items handed in alone cost less than in real time, in USD.",
		registers: [metrics],
		collect() {
			this.reset();
			this.inc(sum(({ saved_nano_usd }) => saved_nano_usd) / NANO_USD_PER_USD);
		},
	});
	return async () => {
		totals = await sql.query<Total>("deferred_totals", READ, []);
	};
}
