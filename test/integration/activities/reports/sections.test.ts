import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bookingOf, type ItemPricing } from "#activities/batches/job/price-item.ts";
import { loadPriceFile, readCurrentPriceBook } from "#activities/pricebooks/postgres.ts";
import { readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { makeReport } from "#activities/reports/make-report.ts";
import { readCheaperModels } from "#config/cheaper-models.ts";
import { DEFAULT_PROVIDER_OUTLINE } from "#config/providers.ts";
import { divideRoundingUp } from "#domain/money/nano-usd.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { Cell } from "#domain/reports/report.ts";
import { lastFinishedPeriod, REPORT_KINDS, type ReportKind, type ReportPeriod } from "#domain/reports/report-period.ts";
import { createRandom } from "#test/faults/random.ts";
import { TEST_PRICE_LINE } from "#test/support/administration.ts";
import { insertBudget, insertTeam } from "#test/support/authority-rows.ts";
import { BatchStand, unbilled } from "#test/support/batch-stand.ts";
import { LINE, STANDARD } from "#test/support/price-lines.ts";

/** What reports say of refused calls, of batches and of models that are too dear is what the rows of the ledger say, to the nano-dollar. */
let stand: BatchStand;
const DAY_MS = 86_400_000;
const TODAY_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const DAYS = 75;
const TEAMS = ["demo", "search"] as const;
const CASES = REPORT_KINDS.flatMap((kind) => [null, ...TEAMS].map((teamId) => [`${kind}, of ${teamId ?? "the organisation"}`, kind, teamId] as const));

const sql = <Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []): Promise<Row[]> => stand.ledger.sql<Row>(text, values);
const periodOf = (kind: ReportKind): ReportPeriod => lastFinishedPeriod(kind, Date.now(), "UTC");
const spanOf = ({ fromMs, toMs }: Pick<ReportPeriod, "fromMs" | "toMs">) => [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
/** Instants within the last day, week and month, at both of their edges, and beyond. */
const INSTANTS = REPORT_KINDS.flatMap((kind) => [periodOf(kind).fromMs, periodOf(kind).fromMs - 1, periodOf(kind).toMs, periodOf(kind).toMs - 1]);

beforeAll(async () => {
	stand = await BatchStand.open();
	await stand.ledger.limit(1_000_000_000_000n, 2);
	await insertTeam(stand.ledger.client, "search");
	await insertBudget(stand.ledger.client, { teamId: "search", limit: 1_000_000_000_000n, windowKind: "lifetime" });
	await sql("UPDATE tollgate.price_line SET line = $1", [JSON.stringify(TEST_PRICE_LINE)]);
	for (const file of readSeedFiles(path.join(import.meta.dirname, "../../../../config/prices"))) await loadPriceFile(stand.ledger.client, file, "seed", "test");
	await bookCalls();
	await refuseCalls();
	await runBatches();
}, 60_000);
afterAll(() => stand?.close());

/** Each day of each team: simple work of one feature at a dear model, its work with tools, and too few simple calls of another feature to tell. */
async function bookCalls(): Promise<void> {
	await sql("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('books', 1, 1, 1, '', '')");
	await sql("SELECT setseed(0.7)");
	await sql(
		`WITH calls AS MATERIALIZED (
			SELECT 'books-1-' || row_number() OVER () AS id, at, team, feature, model, kind, 900 + floor(200 * random())::int AS input, 1 + floor(15 * random())::int AS output, 2000000 + floor(1e6 * random())::int AS cost
			FROM generate_series(1, ${DAYS}) d CROSS JOIN LATERAL (SELECT $1::timestamptz - d * interval '1 day' + interval '10 hours' AS at) t
			CROSS JOIN (VALUES ('demo', 'tagging', 'gpt-4.1', 'classification', 7), ('demo', 'tagging', 'gpt-4.1', 'tools', 3), ('search', 'labels', 'o3', 'short_answer', 5), ('search', NULL, 'gpt-4.1', 'summary', 2))
			  v (team, feature, model, kind, calls)
			CROSS JOIN LATERAL generate_series(1, v.calls) c
		), attempts AS (
			INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, feature, provider, deployment, protocol, endpoint, model, priced_model,
				priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, input_tokens, cached_input_tokens, output_tokens, window_ids, task_kind)
			SELECT id, at, at, 'r', 'books', 1, team, 'key_1', feature, 'openai', 'openai', 'openai', 'chat.completions', model, model,
				'{standard}', 'settled', cost, 1, cost, 1, 1, at, input, input / 3, output, '{}', kind FROM calls
		)
		INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
		SELECT id, at, 'charge', id, 'books', 1, 1, 'team/' || team, 'provider/openai', cost, 1 FROM calls`,
		[new Date(TODAY_MS).toISOString()],
	);
}

/** More reasons than a report shows one by one; some calls have no row of their own, some were let pass. */
async function refuseCalls(): Promise<void> {
	const random = createRandom(3);
	const codes = ["budget.exceeded", "limit.requests", ...Array.from({ length: 9 }, (_, n) => `reason.${n}`)];
	const edges = INSTANTS.flatMap((atMs) => TEAMS.map((team) => ({ atMs, team, isObserved: false })));
	const others = Array.from({ length: 600 }, () => ({
		atMs: TODAY_MS - random.integer(-DAY_MS, random.pick([2, 70]) * DAY_MS),
		team: random.pick(TEAMS),
		isObserved: random.integer(1, 5) === 1,
	}));
	const rows = [...edges, ...others].map(({ atMs, team, isObserved }, n) => ({
		id: `g1-1-f-${n}`,
		at: new Date(atMs).toISOString(),
		team,
		code: random.pick(codes),
		observed: isObserved,
		unrecorded: random.pick([0, 0, 7, 40]),
	}));
	await sql(
		`INSERT INTO tollgate.refusal (refusal_id, at, refused_at, request_id, gateway_id, epoch, team_id, key_id, code, is_observed, unrecorded_before)
		 SELECT id, at, at, 'r', 'g1', 1, team, 'key_1', code, observed, unrecorded FROM jsonb_to_recordset($1::jsonb)
		   AS x (id text, at timestamptz, team text, code text, observed boolean, unrecorded int)`,
		[JSON.stringify(rows)],
	);
}

/** A batch of each team that ended at each of the instants, and yesterday at noon; of each six requests four are answered, one without saying what it used. */
async function runBatches(): Promise<void> {
	const random = createRandom(5);
	const half = { ...STANDARD, input: STANDARD.input / 2n, output: STANDARD.output / 2n };
	const line = {
		...LINE,
		model: "gpt-test",
		aliases: [],
		tiers: { standard: [{ aboveInputTokens: 0, prices: STANDARD }], batch: [{ aboveInputTokens: 0, prices: half }] },
	};
	const pricing: ItemPricing = {
		line,
		book: makePriceBook(1, [line]),
		reach: { tiers: ["batch"] },
		deployment: "openai/gpt-test",
		endpoint: "chat.completions",
	};
	for (const endedAtMs of [...INSTANTS, TODAY_MS - DAY_MS / 2])
		for (const teamId of TEAMS) {
			const batchId = await stand.sent({ teamId, count: 6, boundNanoUsd: 50_000_000n });
			const answers = [1, 2, 3, 4].map((n) => {
				const usage = n === 4 ? {} : { usage: { prompt_tokens: random.integer(1, 999), completion_tokens: random.integer(1, 999) } };
				const body = JSON.stringify({ id: "c", object: "chat.completion", model: "gpt-test", choices: [], ...usage });
				return bookingOf({ n, tryNumber: 1 }, { kind: "succeeded", httpStatus: 200, requestId: null, body }, pricing);
			});
			await stand.store.book(batchId, [...answers, unbilled(5, "expired")]);
			await sql("UPDATE tollgate.batch SET ended_at = $2 WHERE id = $1", [batchId, new Date(endedAtMs).toISOString()]);
		}
}

async function sectionOf(kind: ReportKind, teamId: string | null, id: string) {
	const models = { providers: DEFAULT_PROVIDER_OUTLINE, table: readCheaperModels() };
	const { stored } = await makeReport(
		{ database: stand.ledger.client, settings: { timeZone: "UTC" }, by: "ada", models },
		{ kind, ...(teamId !== null && { teamId }) },
	);
	const section = stored.report.sections.find((one) => one.id === id);
	if (section === undefined) throw new Error(`the report has no section ${id}`);
	return { ...section, figure: (label: string) => section.figures.find((one) => one.label === label)?.cell };
}

const textOf = (cell: Cell | undefined): string => (cell?.is === "text" || cell?.is === "code" ? cell.text : "");
const money = (nanoUsd: bigint) => ({ is: "money", nanoUsd });
const count = (of: number | bigint) => ({ is: "count", count: BigInt(of) });

describe("refused calls", () => {
	test.each(CASES)("%s: by team and reason as their rows say, those without a row of their own included", async (_, kind, teamId) => {
		const rows = await sql<{ team: string; code: string; unrecorded: number }>(
			`SELECT team_id AS team, code, unrecorded_before AS unrecorded FROM tollgate.refusal
			 WHERE NOT is_observed AND at >= $1 AND at < $2 AND ($3::text IS NULL OR team_id = $3)`,
			[...spanOf(periodOf(kind)), teamId],
		);
		const calls = new Map<string, number>();
		for (const { team, code, unrecorded } of rows) {
			const name = teamId === null ? `${team} ${code}` : code;
			calls.set(name, (calls.get(name) ?? 0) + 1 + unrecorded);
		}
		const { tables } = await sectionOf(kind, teamId, "refusals");
		const shown = (tables[0]?.rows ?? []).map((cells) => [cells.slice(0, -1).map(textOf).join(" ").trim(), cells.at(-1)] as const);
		const single = shown.filter(([name]) => !/^\d+ others$/.test(name));
		for (const [name, cell] of single) expect([name, cell]).toEqual([name, count(calls.get(name) ?? -1)]);
		expect(single.length).toBe(Math.min(15, calls.size));
		const all = [...calls.values()].reduce((sum, of) => sum + of, 0);
		expect(tables[0]?.total?.at(-1)).toEqual(count(all));
		const sum = shown.reduce((total, [, cell]) => total + (cell?.is === "count" ? cell.count : 0n), 0n);
		expect(sum).toBe(BigInt(all));
	});
});

describe("saved by batches", () => {
	test.each(CASES)("%s: what entries of batches that ended then cost, beside what the same tokens cost in real time", async (_, kind, teamId) => {
		const [booked] = await sql<{ items: string; cost: string; input: string; output: string }>(
			`SELECT count(*)::text AS items, sum(e.amount_nano_usd)::text AS cost, sum(a.input_tokens)::text AS input, sum(a.output_tokens)::text AS output
			 FROM tollgate.batch b JOIN tollgate.attempt a ON a.gateway_id = 'batch' || b.number JOIN tollgate.entry e ON e.attempt_id = a.attempt_id
			 WHERE a.outcome = 'settled' AND b.ended_at >= $1 AND b.ended_at < $2 AND ($3::text IS NULL OR b.team_id = $3)`,
			[...spanOf(periodOf(kind)), teamId],
		);
		const items = BigInt(booked?.items ?? 0);
		const inRealTime = (BigInt(booked?.input ?? 0) * STANDARD.input + BigInt(booked?.output ?? 0) * STANDARD.output) / 1_000_000n;
		const cost = BigInt(booked?.cost ?? 0);
		expect(items).toBeGreaterThanOrEqual(teamId === null ? 6n : 3n);
		const { figure } = await sectionOf(kind, teamId, "batches");
		expect(figure("Items")).toEqual(count(items));
		expect(figure("Paid")).toEqual(money(cost));
		expect(figure("In real time")).toEqual(money(inRealTime));
		expect(figure("Saved")).toEqual(money(inRealTime - cost));
		expect(figure("Share saved")).toEqual({ is: "share", part: inRealTime - cost, whole: inRealTime });
	});
});

describe("dear models for simple work", () => {
	const USES = { demo: { feature: "tagging", model: "gpt-4.1", cheaper: "gpt-4.1-mini" }, search: { feature: "labels", model: "o3", cheaper: "o4-mini" } };

	/** Of the 28 days before the end of a period, by the entries. */
	async function savingOf(teamId: keyof typeof USES, { toMs }: ReportPeriod) {
		const { feature, model, cheaper } = USES[teamId];
		const rows = await sql<{ isSimple: boolean; calls: string; cost: string; input: string; cached: string; output: string }>(
			`SELECT a.task_kind IN ('classification', 'extraction', 'short_answer', 'summary') AS "isSimple", count(*)::text AS calls, sum(e.amount_nano_usd)::text AS cost,
			        sum(a.input_tokens)::text AS input, sum(a.cached_input_tokens)::text AS cached, sum(a.output_tokens)::text AS output
			 FROM tollgate.attempt a JOIN tollgate.entry e ON e.attempt_id = a.attempt_id
			 WHERE a.team_id = $3 AND a.feature = $4 AND a.model = $5 AND e.at >= $1 AND e.at < $2 GROUP BY date_trunc('day', e.at, 'UTC'), 1`,
			[...spanOf({ fromMs: toMs - 28 * DAY_MS, toMs }), teamId, feature, model],
		);
		const { book } = await readCurrentPriceBook(stand.ledger.client);
		const prices = book.find("openai", cheaper)?.tiers.standard[0]?.prices;
		if (prices === undefined) throw new Error(`there is no price of ${cheaper}`);
		const simple = rows.filter(({ isSimple }) => isSimple);
		const saved = simple.reduce((sum, { cost, input, cached, output }) => {
			const asked = (BigInt(input) - BigInt(cached)) * prices.input + BigInt(cached) * prices.cachedInput;
			return sum + BigInt(cost) - divideRoundingUp(asked, 1_000_000n) - divideRoundingUp(BigInt(output) * prices.output, 1_000_000n);
		}, 0n);
		const callsOf = (of: typeof rows) => of.reduce((sum, { calls }) => sum + BigInt(calls), 0n);
		expect(simple).toHaveLength(28);
		return { feature, model, cheaper, calls: callsOf(rows), simpleCalls: callsOf(simple), expectedNanoUsd: (saved * 30n) / 28n };
	}

	test.each(CASES)("%s: what simple calls cost by their entries, less what the cheaper model's prices make of their tokens", async (_, kind, teamId) => {
		const savings = await Promise.all(
			TEAMS.filter((team) => teamId === null || team === teamId).map(async (team) => ({ team, ...(await savingOf(team, periodOf(kind))) })),
		);
		savings.sort((left, right) => (left.expectedNanoUsd < right.expectedNanoUsd ? 1 : -1));
		const { tables, figure } = await sectionOf(kind, teamId, "savings");
		expect(figure("Expected in 30 days")).toEqual(money(savings.reduce((sum, { expectedNanoUsd }) => sum + expectedNanoUsd, 0n)));
		expect(tables[0]?.rows.map((cells) => cells.slice(0, -2))).toEqual(
			savings.map(({ team, feature, model, cheaper, calls, simpleCalls, expectedNanoUsd }) => [
				...(teamId === null ? [{ is: "text", text: team }] : []),
				...[{ is: "text", text: feature }, money(expectedNanoUsd), { is: "text", text: model }, { is: "text", text: cheaper }],
				...[{ is: "share", part: simpleCalls, whole: calls }, count(calls)],
			]),
		);
		for (const cells of tables[0]?.rows ?? []) {
			const [low, high] = cells.slice(-2).map((cell) => (cell.is === "money" ? cell.nanoUsd : -1n));
			const expected = cells.at(teamId === null ? 2 : 1);
			if (expected?.is !== "money") throw new Error("no money is expected");
			expect([(low ?? 0n) <= expected.nanoUsd, expected.nanoUsd <= (high ?? 0n)]).toEqual([true, true]);
		}
	});
});
