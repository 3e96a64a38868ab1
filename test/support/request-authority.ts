import type { Authority } from "#activities/authority/port.ts";
import { createPostgresAuthority, openAsking } from "#activities/authority/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { attemptItem, type LedgerRow } from "#activities/ledger/ledger-row.ts";
import type { AttemptRow, JournalRecord, LedgerWriter, RefusalRecord } from "#activities/ledger/record.ts";
import { createPostgresRates } from "#activities/limits/postgres.ts";
import { Departure, type Leaving } from "#activities/request/leaving.ts";
import type { AdmissionInput, KeyIdentity, RequestAuthority } from "#activities/request/port.ts";
import { createRequestAuthority } from "#activities/request/request-authority.ts";
import type { Bound } from "#domain/bound/request.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { registerGateway, withClient } from "./authority-rows.ts";

/**
 * A gateway's request layer on real PostgreSQL with the journal in memory and a writer that posts to the lease rows
 * at once: enough to prove admission. The real journal and writer have their own tests.
 */
export type TestGateway = {
	readonly authority: RequestAuthority;
	readonly records: JournalRecord[];
	readonly refusals: RefusalRecord[];
	readonly alerts: string[];
	close(): Promise<void>;
};

const PRICES = { input: 1_000_000n, cachedInput: 1_000_000n, cacheWrite5m: 1_000_000n, cacheWrite1h: 1_000_000n, output: 1_000_000n, reasoning: 1_000_000n };

/** One nano-dollar per token, so that costs can be read off the test. */
export const TEST_LINE: PriceLine = {
	provider: "test",
	model: "test-model",
	aliases: [],
	kind: "chat",
	protocol: "openai",
	tiers: { standard: [{ aboveInputTokens: 0, prices: PRICES }] },
	perCall: {},
	contextWindowTokens: 1_000_000,
	maxOutputTokens: 1_000_000,
	maxTokensPerImage: undefined,
	imageWindowPermille: undefined,
	maxTokensPerAudioSecond: undefined,
	hiddenTokensPerRequest: 0,
	hiddenTokensPerMessage: 0,
	outputCapField: "max_tokens",
	isReasoning: false,
	encoding: undefined,
};

/** `through` may stand between the gateway and its authority. */
export async function startTestGateway(url: string, gatewayId: string, through = (authority: Authority): Authority => authority): Promise<TestGateway> {
	const epoch = await withClient(url, (client) => registerGateway(client, gatewayId));
	const posting = new Connection({ url, applicationName: "test writer" });
	const records: JournalRecord[] = [];
	const refusals: RefusalRecord[] = [];
	const alerts: string[] = [];
	const pending = new Set<Promise<unknown>>();
	const journal = {
		append: (record: JournalRecord) => void records.push(record),
		together: (work: () => void) => work(),
		close: () => undefined,
		whenDurable: () => undefined,
	};
	const writer: LedgerWriter = {
		enqueueAttempt: (row) => {
			const work: Promise<unknown> = post(posting, gatewayId, epoch, row).finally(() => pending.delete(work));
			pending.add(work);
		},
		enqueueRefusal: (record) => void refusals.push(record),
		flush: async () => void (await Promise.all(pending)),
		get pendingRows() {
			return pending.size;
		},
		close: async () => void (await Promise.all(pending)),
	};
	const asking = openAsking({ url, gatewayId });
	const authority = await createRequestAuthority({
		gatewayId,
		epoch,
		revision: 0n,
		authority: through(createPostgresAuthority({ url, gatewayId, epoch, asking })),
		rateAuthority: createPostgresRates({ asking, gatewayId, epoch }),
		journal,
		opaqueUserId: (_teamId, text) => `opaque ${text}`,
		createWriter: () => writer,
		loadPriceBook: async () => ({ book: TEST_BOOK, msUntilNextPrice: undefined }),
		onDrained: async () => undefined,
		onFenced: () => alerts.push("fenced"),
		onAlert: (alert) => alerts.push(alert),
		onError: (error) => alerts.push(String(error)),
	});
	return {
		authority,
		records,
		refusals,
		alerts,
		close: async () => {
			await authority.drain(0);
			await posting.close();
		},
	};
}

/** In each window in its unit, as the ledger does. */
async function post(connection: Connection, gatewayId: string, epoch: bigint, row: AttemptRow): Promise<void> {
	const { charges } = JSON.parse(attemptItem(row).json) as LedgerRow;
	const posted = charges.map(([, amount, overrun]) => (BigInt(amount) - BigInt(overrun)).toString());
	await connection.query(
		"post",
		`UPDATE tollgate.lease l SET posted = l.posted + charge.amount, version = l.version + 1
		 FROM unnest($3::bigint[], $4::bigint[]) AS charge (window_id, amount)
		 WHERE l.gateway_id = $1 AND l.epoch = $2 AND l.window_id = charge.window_id`,
		[gatewayId, epoch.toString(), charges.map(([windowId]) => windowId), posted],
	);
}

/** A bound of exactly `nanoUsd`, all of it output; clampable down to `floor` when given (one token costs one nano-dollar). */
export function testBound(nanoUsd: bigint, floor?: number): Bound {
	const at = (outputTokens: number) => ({ nanoUsd: BigInt(outputTokens), tokens: outputTokens });
	return {
		inputTokens: 0,
		outputTokens: Number(nanoUsd),
		nanoUsd,
		tokens: Number(nanoUsd),
		reach: { tiers: ["standard"], tokenPermille: 1_000 },
		clampFloorTokens: floor,
		at,
		clampTo: (available) => {
			const most = Math.min(Number(available.nanoUsd ?? nanoUsd), Number(nanoUsd), available.outputTokens ?? Number(nanoUsd));
			return floor === undefined || most < floor ? undefined : most;
		},
	};
}

const TEST_BOOK = makePriceBook(1, [TEST_LINE]);

export function testCall(key: KeyIdentity, bound: Bound, leaving: Leaving = new Departure()): AdmissionInput {
	return {
		requestId: "req",
		key,
		asserted: {},
		claimed: {},
		endpoint: "chat.completions",
		protocol: "openai",
		model: "test-model",
		provider: "test",
		deployment: "test",
		line: TEST_LINE,
		book: TEST_BOOK,
		bound,
		leaving,
	};
}
