import { Connection } from "#activities/database/connection.ts";
import { attemptItem, type LedgerItem } from "#activities/ledger/ledger-row.ts";
import type { OutcomeRecord, ReservationRecord } from "#activities/ledger/record.ts";
import { type SettleReply, settleChunk } from "#activities/ledger/settle-chunk.ts";
import type { RunNote } from "#activities/runs/port.ts";
import { attemptRow } from "./ledger-records.ts";
import type { TestLedger } from "./test-ledger.ts";

export type RunUnit = "nano_usd" | "input_tokens" | "output_tokens" | "steps";
export type RunCeilings = Readonly<Partial<Record<RunUnit, bigint>>>;
type HeldWindow = { readonly budgetId: string; readonly windowId: string; readonly unit: string };
/** `windows` are those of the whole chain, ascending by budget. */
export type TestRun = { readonly id: string; readonly number: string; readonly path: readonly string[]; readonly windows: readonly HeldWindow[] };
export type TestStep = {
	readonly n: number;
	readonly gatewayId?: string;
	readonly epoch?: bigint;
	readonly reservation?: Partial<ReservationRecord>;
	readonly outcome?: Partial<OutcomeRecord>;
};

/** What a step of these tests takes unless it says otherwise: of 150 tokens 50 are output, as in ledger-records.ts. */
const OUTPUT_TOKENS = 50;

/** Runs of team "demo" written straight into the tables, and their steps booked through the real functions, in the windows of their chain. */
export class RunLedger {
	readonly ledger: TestLedger;
	readonly connection: Connection;

	constructor(ledger: TestLedger) {
		this.ledger = ledger;
		this.connection = new Connection({ url: ledger.database.url, applicationName: "test" });
	}

	close(): Promise<void> {
		return this.connection.close();
	}

	async open(id: string, ceilings: RunCeilings, parent?: TestRun): Promise<TestRun> {
		const { ledger } = this;
		const [next] = await ledger.sql<{ number: string }>("SELECT nextval(pg_get_serial_sequence('tollgate.run', 'number')) AS number");
		const number = next?.number ?? "";
		const path = [...(parent?.path ?? []), number];
		const windows = [...(parent?.windows ?? [])];
		for (const [unit, limit] of Object.entries(ceilings)) windows.push(await this.budget(number, unit, limit));
		await ledger.sql(
			`INSERT INTO tollgate.run (number, id, team_id, key_id, origin, parent_number, root_number, path, budget_ids) OVERRIDING SYSTEM VALUE
			 VALUES ($1, $2, 'demo', 'key_0', 'header', $3, $4, $5, $6)`,
			[number, id, parent?.number ?? null, path[0], path, windows.map(({ budgetId }) => budgetId)],
		);
		return { id, number, path, windows };
	}

	/** What the calls of a gateway need, asked for together; true where all of it was granted. */
	async grant(run: TestRun, needs: Readonly<Record<string, bigint>>, gateway = { gatewayId: "g1", epoch: 1n }): Promise<boolean> {
		const windows = this.heldIn(run);
		const ids = windows.map(({ windowId }) => windowId);
		const [reply] = await this.connection.query<{ reply: { served?: boolean[] } }>(
			"grant",
			`SELECT tollgate.grant_lease($1, $2, $3::bigint[], $4::bigint[],
			   ARRAY(SELECT coalesce(l.granted, 0) FROM unnest($4::bigint[]) WITH ORDINALITY AS w (id, place)
			         LEFT JOIN tollgate.lease l ON l.gateway_id = $1 AND l.epoch = $2 AND l.window_id = w.id ORDER BY w.place),
			   array_fill(0::bigint, ARRAY[$5::int]), array_fill(0::bigint, ARRAY[$5::int]), $6::bigint[], false, true) AS reply`,
			[
				gateway.gatewayId,
				gateway.epoch.toString(),
				windows.map(({ budgetId }) => budgetId),
				ids,
				windows.length,
				windows.map(({ unit }) => (needs[unit] ?? 0n).toString()),
			],
		);
		return reply?.reply.served?.[0] ?? false;
	}

	/** One chunk of steps; each first takes its reservation: 1,000 nano-USD, 100 input and 50 output tokens, one step. */
	async settle(run: TestRun, steps: readonly TestStep[], notes: readonly RunNote[] = []): Promise<SettleReply> {
		for (const step of steps) await this.grant(run, { nano_usd: 1_000n, input_tokens: 100n, output_tokens: 50n, steps: 1n }, gatewayOf(step));
		return this.flush(
			steps.map((step) => this.step(run, step)),
			notes,
			gatewayOf(steps[0]),
		);
	}

	flush(items: readonly LedgerItem[], notes: readonly RunNote[] = [], gateway = gatewayOf(undefined)): Promise<SettleReply> {
		return settleChunk(this.connection, gateway, items, notes);
	}

	step(run: TestRun, { n, reservation, outcome, ...gateway }: TestStep): LedgerItem {
		return attemptItem(this.row(run, { n, ...gateway, ...(reservation && { reservation }), ...(outcome && { outcome }) }));
	}

	row(run: TestRun, { n, reservation, outcome, ...gateway }: TestStep) {
		const { gatewayId, epoch } = gatewayOf(gateway);
		return attemptRow(n, "", {
			reservation: {
				attemptId: `${gatewayId}-${epoch}-${n}`,
				runIds: run.path,
				reservedOutputTokens: OUTPUT_TOKENS,
				windows: this.heldIn(run).map(({ windowId, unit }) => ({ id: windowId, unit })) as ReservationRecord["windows"],
				...reservation,
			},
			outcome: { costOutputTokens: OUTPUT_TOKENS, ...outcome },
		});
	}

	/** `[steps, cost, input, output, bytes, tools]` of each part, as text, by run, gateway and epoch. */
	async parts(): Promise<Record<string, readonly unknown[]>> {
		const rows = await this.ledger.sql<Record<string, string>>(
			`SELECT r.id || ' ' || p.gateway_id || '/' || p.epoch AS part, p.steps, p.cost_nano_usd, p.input_tokens, p.output_tokens, p.output_bytes, p.tool_calls
			 FROM tollgate.run_part p JOIN tollgate.run r ON r.number = p.run_number ORDER BY p.run_number, p.gateway_id, p.epoch`,
		);
		return Object.fromEntries(rows.map(({ part = "", ...amounts }) => [part, Object.values(amounts)]));
	}

	async event(run: TestRun, kind: string, ago = "0 seconds"): Promise<void> {
		await this.ledger.sql("INSERT INTO tollgate.run_event (run_number, kind, at) VALUES ($1, $2, clock_timestamp() - $3::interval)", [run.number, kind, ago]);
	}

	/** The team's own budget comes first. */
	private heldIn(run: TestRun): readonly HeldWindow[] {
		return [{ budgetId: this.ledger.budgetId, windowId: this.ledger.windowId, unit: "nano_usd" }, ...run.windows];
	}

	private async budget(number: string, unit: string, limit: bigint): Promise<HeldWindow> {
		const { ledger } = this;
		const [budget] = await ledger.sql<{ id: string }>(
			`INSERT INTO tollgate.budget (team_id, dimension, dimension_value, unit, window_kind, limit_amount, thresholds)
			 VALUES ('demo', 'run', $1, $2, 'lifetime', $3, '[]') RETURNING id`,
			[number, unit, limit.toString()],
		);
		const [window] = await ledger.sql<{ id: string }>("SELECT tollgate.open_window($1) AS id", [budget?.id]);
		return { budgetId: budget?.id ?? "", windowId: window?.id ?? "", unit };
	}
}

function gatewayOf(step: Pick<TestStep, "gatewayId" | "epoch"> | undefined): { readonly gatewayId: string; readonly epoch: bigint } {
	return { gatewayId: step?.gatewayId ?? "g1", epoch: step?.epoch ?? 1n };
}
