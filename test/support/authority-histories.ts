import { deepStrictEqual, ok } from "node:assert/strict";
import type pg from "pg";
import { attemptItem } from "#activities/ledger/ledger-row.ts";
import { amountIn } from "#domain/budget/lease-book.ts";
import { type Flight, idleOf, type ModelStep, newModel, type ReservationModel, servedBy, stepModel } from "#domain/budget/reservation-model.ts";
import type { Unit } from "#domain/budget/window-lease.ts";
import { insertBudget, insertTeam } from "./authority-rows.ts";
import { readWindowStates, type WindowState } from "./authority-window-state.ts";
import type { HistoryTally } from "./history-tally.ts";
import { attemptRow } from "./ledger-records.ts";
import { checkEnd, checkStep, closingStep, type Random, randomFrom, randomStep } from "./model-histories.ts";
import { insertRun, setRunBudgets } from "./run-rows.ts";

/**
 * One random history, applied step by step to PostgreSQL's functions and to the pure model; after every step the
 * rows and the model must say the same. Throws with seed and step where they do not.
 */
type Flush = Extract<Flight, { kind: "flush" }>;
type GrantStep = Extract<ModelStep, { kind: "grant" }>;
type GatewayEpoch = { readonly gatewayId: string; readonly epoch: string; isFenced: boolean };

const STEPS = 50;
/** Steps of the gateway's memory and journal, which send nothing. */
const IN_MEMORY: ReadonlySet<ModelStep["kind"]> = new Set(["reserve", "settle", "release", "expire", "return", "crash"]);
const BUDGETS = [
	{ dimension: "team", unit: "nano_usd" },
	{ dimension: "model", value: "gpt-test", unit: "nano_usd" },
	{ dimension: "team", unit: "tokens" },
	{ dimension: "run", unit: "output_tokens" },
	{ dimension: "run", unit: "input_tokens" },
	{ dimension: "run", unit: "steps" },
] as const;
/** How many of them the calls of a history meet: with the ceilings of a run, or without a run. */
const WINDOWS_MET = [2, 3, BUDGETS.length] as const;

export async function runAuthorityHistory(client: pg.Client, seed: number, tally: HistoryTally): Promise<void> {
	const random = randomFrom(seed);
	const history = await AuthorityHistory.begin(client, { seed, random, tally });
	for (let count = 0; count < STEPS; count++) await history.take(randomStep(history.model, random));
	for (let step = closingStep(history.model); step; step = closingStep(history.model)) await history.take(step);
	checkEnd(history.model);
}

class AuthorityHistory {
	model: ReservationModel;
	private readonly client: pg.Client;
	private readonly seed: number;
	private readonly random: Random;
	private readonly tally: HistoryTally;
	private readonly teamId: string;
	private readonly budgetIds: string[] = [];
	private readonly windowIds: string[] = [];
	private readonly gateways: GatewayEpoch[] = [];
	/** Number of the run that its calls belong to. */
	private runNumber: string | undefined;

	private constructor(client: pg.Client, options: { seed: number; random: Random; tally: HistoryTally }) {
		this.client = client;
		this.seed = options.seed;
		this.random = options.random;
		this.tally = options.tally;
		this.teamId = `history${options.seed}`;
		const met = BUDGETS.slice(0, WINDOWS_MET[this.random(WINDOWS_MET.length)]);
		this.model = newModel(met.map(({ unit }) => ({ unit, limit: BigInt(unit === "steps" ? 5 + this.random(25) : 50 + this.random(250)) })));
	}

	static async begin(client: pg.Client, options: { seed: number; random: Random; tally: HistoryTally }): Promise<AuthorityHistory> {
		const history = new AuthorityHistory(client, options);
		const { model, teamId } = history;
		await insertTeam(client, teamId);
		if (model.windows.length === BUDGETS.length) history.runNumber = (await insertRun(client, { runId: `run-${teamId}`, teamId })).at(-1);
		for (const [index, { limit }] of model.windows.entries()) {
			const budget = BUDGETS[index]!;
			const value = budget.dimension === "run" ? { value: history.runNumber ?? "" } : {};
			const budgetId = await insertBudget(client, { teamId, limit, windowKind: "lifetime", ...budget, ...value });
			history.budgetIds.push(budgetId);
			history.windowIds.push((await history.sql<string>("SELECT tollgate.open_window($1)::text AS reply", [budgetId])) ?? "");
		}
		const ofRun = history.budgetIds.filter((_, index) => BUDGETS[index]?.dimension === "run");
		if (history.runNumber !== undefined) await setRunBudgets(client, history.runNumber, ofRun);
		await history.take({ kind: "boot" });
		return history;
	}

	async take(step: ModelStep): Promise<void> {
		try {
			const before = this.model;
			this.model = await this.apply(step);
			checkStep(before, this.model, step);
			if (!IN_MEMORY.has(step.kind)) await this.compare();
		} catch (error) {
			throw new Error(`history ${this.seed} disagrees at ${JSON.stringify(step, (_, value) => (typeof value === "bigint" ? `${value}` : value))}`, {
				cause: error,
			});
		}
	}

	private async apply(step: ModelStep): Promise<ReservationModel> {
		switch (step.kind) {
			case "boot":
				return this.boot(step);
			case "grant":
				return this.grant(step);
			case "deliver":
				return this.deliver(step);
			case "recover":
				return this.recover(step);
			case "setLimit":
				return this.setLimit(step);
			case "clearOverrun":
				await this.sql(
					"UPDATE tollgate.budget_window SET overrun_cleared = (SELECT coalesce(sum(overrun), 0) FROM tollgate.lease WHERE window_id = $1) WHERE id = $1",
					[this.windowIds[step.window]],
				);
				return stepModel(this.model, step);
			default:
				return stepModel(this.model, step);
		}
	}

	/** A new gateway, or a dead one again: then the earlier epoch is fenced. */
	private async boot(step: ModelStep): Promise<ReservationModel> {
		const dead = this.gateways.filter((_, index) => this.model.epochs[index]?.life !== "alive");
		const isTaken = (gatewayId: string) => this.gateways.some((other, index) => other.gatewayId === gatewayId && this.model.epochs[index]?.life === "alive");
		const again = dead[this.random(dead.length + 1)]?.gatewayId;
		const gatewayId = again === undefined || isTaken(again) ? `h${this.seed}g${this.gateways.length}` : again;
		const reply = await this.sql<{ epoch: number }>(
			"SELECT tollgate.register_gateway($1, $2, 'off', ARRAY(SELECT boot_id FROM tollgate.gateway_epoch WHERE gateway_id = $1)) AS reply",
			[gatewayId, `boot-${this.gateways.length}`],
		);
		for (const gateway of this.gateways) if (gateway.gatewayId === gatewayId) gateway.isFenced = true;
		this.gateways.push({ gatewayId, epoch: String(reply?.epoch), isFenced: false });
		return stepModel(this.model, step);
	}

	private async grant(step: GrantStep): Promise<ReservationModel> {
		const epoch = this.model.epochs[step.epoch];
		const gateway = this.gateways[step.epoch];
		if (!epoch || !gateway) return this.model;
		if (epoch.life !== "alive") {
			if (gateway.isFenced || epoch.life === "closed") await this.expectFenced(step);
			return stepModel(this.model, step);
		}
		const isFinal = this.random(3) > 0;
		const claimed = isFinal ? [] : await this.claimedByOthers(gateway);
		const reply = await this.askGrant(step, isFinal);
		// Claims live for 2 s; here they stand until they are served, so that no history depends on the clock.
		await this.sql("UPDATE tollgate.claim SET expires_at = 'infinity' WHERE window_id = ANY ($1::bigint[])", [this.windowIds]);
		deepStrictEqual(reply.served, servedBy(this.model, step.epoch, step.needs, claimed), "served");
		if (claimed.some((amount) => amount > 0n)) this.tally.claimed++;
		for (const served of reply.served ?? []) this.tally[served ? "granted" : "refused"]++;
		// Lookahead is best effort: the authority may add to the needs, within what was asked and half of what is left.
		const bare = stepModel(this.model, { ...step, claimed, lookahead: [] });
		const lookahead = bare.windows.map(({ limit, granted }, index) => {
			const added = BigInt(reply.items?.[index]?.leaseGranted ?? 0) - bare.epochs[step.epoch]!.rows[index]!.granted;
			const most = limit > granted ? (limit - granted) / 2n : 0n;
			ok(
				added >= 0n && added <= most && added <= step.lookahead[index]!,
				`lookahead of ${added} where ${step.lookahead[index]} was asked and half the room is ${most}`,
			);
			if (added > 0n) this.tally.lookahead++;
			return added;
		});
		return stepModel(this.model, { ...step, claimed, lookahead });
	}

	/** Room that a grant leaves for claims of others, those before its own claim where it has one. */
	private async claimedByOthers({ gatewayId, epoch }: GatewayEpoch): Promise<bigint[]> {
		const { rows } = await this.client.query<{ claimed: string; is_sound: boolean }>(
			`SELECT coalesce(sum(c.need), 0)::text AS claimed, coalesce(bool_and(c.need > 0), true) AS is_sound
			 FROM unnest($1::bigint[]) WITH ORDINALITY AS w (id, n)
			 LEFT JOIN tollgate.claim own ON own.window_id = w.id AND (own.gateway_id, own.epoch) = ($2, $3::bigint)
			 LEFT JOIN tollgate.claim c ON c.window_id = w.id AND (c.gateway_id, c.epoch) <> ($2, $3::bigint) AND (own.place IS NULL OR c.place < own.place)
			 GROUP BY w.n ORDER BY w.n`,
			[this.windowIds, gatewayId, epoch],
		);
		ok(
			rows.every((row) => row.is_sound),
			"a claim asks for money",
		);
		return rows.map((row) => BigInt(row.claimed));
	}

	/** A grant that was under way when its process died comes late. */
	private async expectFenced(step: GrantStep): Promise<void> {
		deepStrictEqual(await this.askGrant(step, true), { fenced: true });
		this.tally.fenced++;
	}

	private async askGrant(step: GrantStep, isFinal: boolean) {
		const { gatewayId, epoch } = this.gateways[step.epoch]!;
		const known = this.model.epochs[step.epoch]!.memory;
		const reply = await this.sql<{ served?: boolean[]; fenced?: boolean; items?: { leaseGranted: string }[] }>(
			"SELECT tollgate.grant_lease($1, $2, $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9, $10, $11, $12) AS reply",
			[
				gatewayId,
				epoch,
				this.budgetIds,
				// A gateway whose first reply was lost does not know the window yet.
				this.windowIds.map((windowId, index) => (known[index]!.granted === 0n ? "0" : windowId)),
				known.map(({ granted }) => granted.toString()),
				known.map((_, index) => idleOf(this.model, step.epoch, index).toString()),
				this.windowIds.map((_, index) => String(step.lookahead[index] ?? 0n)),
				step.needs.flatMap((need) => this.model.windows.map(({ unit }) => amountIn(unit, need).toString())),
				this.random(2) === 0,
				isFinal,
				this.random(2) === 0,
				this.random(2) === 0,
			],
		);
		ok(reply);
		return reply;
	}

	/** A flush may carry other rows of its epoch, in any order, some of them a second time. */
	private async deliver(step: Extract<ModelStep, { kind: "deliver" }>): Promise<ReservationModel> {
		const flight = this.model.flights[step.flight];
		if (!flight) return this.model;
		if (flight.kind === "return") {
			this.tally.returned++;
			const { gatewayId, epoch } = this.gateways[flight.epoch]!;
			await this.sql("SELECT tollgate.heartbeat($1, $2, $3::bigint[], $4::bigint[], 0, 0, 0) AS reply", [
				gatewayId,
				epoch,
				this.windowIds,
				flight.returnTo.map(String),
			]);
			return stepModel(this.model, step);
		}
		const others = this.model.flights.filter(
			(other): other is Flush => other.kind === "flush" && other.epoch === flight.epoch && other !== flight && this.random(2) === 0,
		);
		const booked = [...this.model.journal.values()].filter((row) => row.epoch === flight.epoch && this.model.entries.has(row.key) && this.random(4) === 0);
		await this.settle(flight.epoch, this.shuffled([flight, ...others, ...booked]));
		let after = stepModel(this.model, step);
		for (const other of others) after = stepModel(after, { kind: "deliver", flight: after.flights.indexOf(other), isDuplicate: false });
		return after;
	}

	private async recover(step: Extract<ModelStep, { kind: "recover" }>): Promise<ReservationModel> {
		const crashed = this.model.epochs[step.epoch];
		const after = stepModel(this.model, step);
		if (crashed?.life !== "crashed") return after;
		const { gatewayId, epoch } = this.gateways[step.epoch]!;
		if (crashed.isJournalLost) {
			this.tally.lumped++;
			await this.sql("SELECT tollgate.lump_epoch($1, $2, 'test') AS reply", [gatewayId, epoch]);
		} else {
			this.tally.adopted++;
			await this.adopt(step.epoch, after);
		}
		if (this.random(2) === 0)
			await this.expectFenced({
				kind: "grant",
				epoch: step.epoch,
				needs: [{ nanoUsd: 1n, tokens: 1n, outputTokens: 1n, steps: 1n }],
				lookahead: [],
				isReplyLost: true,
			});
		return after;
	}

	/** Replays the journal in two overlapping parts, then gives the rest back. */
	private async adopt(epochIndex: number, after: ReservationModel): Promise<void> {
		const { gatewayId, epoch } = this.gateways[epochIndex]!;
		const rows = this.shuffled([...after.journal.values()].filter((row) => row.epoch === epochIndex));
		const cut = this.random(rows.length + 1);
		await this.settle(epochIndex, rows.slice(0, cut));
		await this.settle(epochIndex, rows.slice(this.random(cut + 1)));
		await this.sql("SELECT tollgate.adopt_epoch($1, $2) AS reply", [gatewayId, epoch]);
	}

	private async settle(epochIndex: number, rows: readonly Flush[]): Promise<void> {
		if (rows.length === 0) return;
		const { gatewayId, epoch } = this.gateways[epochIndex]!;
		const reply = await this.sql<{ inserted: number }>("SELECT tollgate.settle_chunk($1, $2, $3, '[]', '[]') AS reply", [
			gatewayId,
			epoch,
			`[${rows.map((row) => this.rowJson(row)).join()}]`,
		]);
		const fresh = rows.filter((row) => !this.model.entries.has(row.key)).length;
		ok(reply);
		this.tally.booked += reply.inserted;
		this.tally.repeated += rows.length - reply.inserted;
		this.tally.overrun += rows.filter((row) => row.overrun.some((amount) => amount > 0n)).length;
		if (this.model.entries.has(`lump/${epochIndex}`)) this.tally.late += reply.inserted;
		ok(reply.inserted <= fresh, `${reply.inserted} rows were new to the ledger, ${fresh} to the model`);
	}

	private rowJson({ key, epoch: epochIndex, posted, overrun }: Flush): string {
		const { gatewayId, epoch } = this.gateways[epochIndex]!;
		const n = Number(key.slice("attempt/".length));
		const { amounts, endings } = this.model.reservations[n]!;
		const units = this.model.windows.map(({ unit }) => unit);
		const costIn = (unit: Unit): bigint => {
			const index = units.indexOf(unit);
			return index < 0 ? 0n : posted[index]! + overrun[index]!;
		};
		const { runNumber } = this;
		const row = attemptRow(n, "", {
			reservation: {
				attemptId: `${gatewayId}-${epoch}-${n}`,
				teamId: this.teamId,
				reservedNanoUsd: amounts.nanoUsd.toString(),
				reservedTokens: Number(amounts.tokens),
				windows: this.windowIds.map((id, index) => ({ id, unit: units[index]! })),
				...(runNumber !== undefined && {
					runIds: [runNumber],
					reservedOutputTokens: Number(amounts.outputTokens),
					endpoint: amounts.steps === 0n ? ("count_tokens" as const) : ("chat.completions" as const),
				}),
			},
			outcome: {
				outcome: endings[0] === "posted" ? "settled" : "unresolved",
				costNanoUsd: costIn("nano_usd").toString(),
				costTokens: Number(costIn("tokens")),
				overrunNanoUsd: (overrun[0]! > overrun[1]! ? overrun[0]! : overrun[1]!).toString(),
				windowOverruns: Object.fromEntries(this.windowIds.map((id, index) => [id, overrun[index]!.toString()])),
				...(runNumber !== undefined && { costOutputTokens: Number(costIn("output_tokens")) }),
			},
		});
		return attemptItem(row).json;
	}

	private async setLimit(step: Extract<ModelStep, { kind: "setLimit" }>): Promise<ReservationModel> {
		this.tally.limited++;
		// The model knows the lower of limit and threshold; which of the two it is must not matter.
		const isThreshold = this.random(2) === 0;
		const limit = step.limit + BigInt(isThreshold ? this.random(100) : 0);
		await this.sql(
			"UPDATE tollgate.budget SET limit_amount = $2, thresholds = jsonb_build_array(jsonb_build_object('action', 'stop', 'at', jsonb_build_object('amount', $3::bigint::text))), is_frozen = $4, revision = revision + 1 WHERE id = $1",
			[this.budgetIds[step.window], limit.toString(), isThreshold ? step.limit.toString() : null, step.isFrozen],
		);
		await this.sql("SELECT tollgate.apply_limits($1)", [this.windowIds[step.window]]);
		return stepModel(this.model, step);
	}

	private async compare(): Promise<void> {
		const states = await readWindowStates(this.client, this.windowIds);
		for (const [index, windowId] of this.windowIds.entries()) deepStrictEqual(states.get(windowId), this.expected(index), `window ${index}`);
	}

	/** The window as PostgreSQL should hold it. */
	private expected(index: number): WindowState {
		const { granted, limit, isFrozen } = this.model.windows[index]!;
		const leases: Record<string, string> = {};
		const lumps: Record<string, string> = {};
		this.model.epochs.forEach(({ rows }, epochIndex) => {
			const { granted: leased, returned, posted, overrun } = rows[index]!;
			const { gatewayId, epoch } = this.gateways[epochIndex]!;
			if (leased > 0n || overrun > 0n) leases[`${gatewayId}/${epoch}`] = `${leased} ${returned} ${posted} ${overrun}`;
			const lump = this.model.entries.get(`lump/${epochIndex}`)?.posted[index] ?? 0n;
			if (lump > 0n) lumps[`${gatewayId}/${epoch}`] = lump.toString();
		});
		const attempts = [...this.model.entries.keys()].filter((key) => key.startsWith("attempt/")).length;
		return {
			granted: granted.toString(),
			events: granted.toString(),
			lastEvent: granted.toString(),
			isGapless: true,
			limit: limit.toString(),
			isFrozen,
			leases,
			lumps,
			attempts,
		};
	}

	private shuffled<Item>(items: readonly Item[]): Item[] {
		return items
			.map((item) => ({ item, key: this.random(1_000_000) }))
			.sort((left, right) => left.key - right.key)
			.map(({ item }) => item);
	}

	private async sql<Reply>(text: string, values: readonly unknown[]): Promise<Reply | undefined> {
		return (await this.client.query<{ reply: Reply }>(text, [...values])).rows[0]?.reply;
	}
}
