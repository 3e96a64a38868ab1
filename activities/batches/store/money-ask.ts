import type { BudgetRule, GrantedItem } from "#activities/authority/port.ts";
import { parseItem, type Wire } from "#activities/authority/postgres.ts";
import { refusalItem } from "#activities/ledger/ledger-row.ts";
import type { RefusalRecord } from "#activities/ledger/record.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { NOTHING } from "#activities/request/amounts.ts";
import { budgetRefusal, uncoveredRefusal } from "#activities/request/budget-refusal.ts";
import { GrantEvidence, type Shortage, shortageCode } from "#activities/request/grant-evidence.ts";
import { refusalRecord } from "#activities/request/ledger-records.ts";
import type { Refusal } from "#activities/request/port.ts";
import { BATCH_EPOCH, holderOf } from "#domain/batching/attempt-of-item.ts";
import { type Amounts, amountIn, LeaseBook } from "#domain/budget/lease-book.ts";
import { MAX_MATCHED_BUDGETS } from "#domain/budget/match.ts";
import { readTeamPolicy } from "#domain/budget/team-policy.ts";
import { askBatches } from "./ask-batches.ts";

/**
 * How the money of a batch, or of an item that was handed in alone, is judged once PostgreSQL has answered: as a call's is (money-path §3). Refused at
 * once where a window is frozen or overrun, or where too little would be left if all that is held came back; else when the wait is over and every
 * gateway that can be reached has given its idle money back. The refusal is in the books before it is told.
 */
const RECORD_REFUSALS = "SELECT tollgate.record_refusals($1, $2, $3::json) AS reply";
const ANNOUNCE = "SELECT pg_notify('tollgate_claim', $1)::text AS reply";

/** Without a gap this long between two asks PostgreSQL was up to hear the gateways, so that one it does not hear of is gone. */
const HEARING_GAP_MS = 1_000;

/** What the holder has is of open items: nothing is idle for whoever asks. */
const NO_LEASES = new LeaseBook();

/** Who asks, as of one ask; amounts as decimal strings. */
export type Asker = {
	/** Of the batch that holds it. */
	readonly number: string;
	readonly teamId: string;
	readonly keyId: string;
	/** Counts them. */
	readonly asks: number;
	/** Since the first ask, on PostgreSQL's clock. */
	readonly waitedMs: number;
	/** null for the first. */
	readonly sinceLastAskMs: number | null;
	readonly askedAtMs: number;
	readonly policy: Readonly<Record<string, unknown>>;
	readonly needNanoUsd: string;
	readonly needTokens: string;
	/** Budgets that match, ascending. */
	readonly budgets: readonly BudgetRule[];
};
export type Granted = Asker & { readonly items: readonly Wire<GrantedItem>[] };

/** `requestId`: under which refusals stand in the books. `name`: tells one ask from another in their ids. `waitIsOver`: by the clock of whoever asks. */
export type MoneyAsk = {
	readonly asker: Asker;
	readonly of: "batch" | "call";
	readonly requestId: string;
	readonly name: string;
	readonly waitIsOver: boolean;
};
export type ShortAsk = MoneyAsk & {
	readonly items: readonly GrantedItem[];
	/** By window id: the claim that stood when money was lacked there for the first time; undefined: the one that stands now. */
	readonly claims?: ReadonlyMap<string, bigint>;
};

export type MoneyVerdict =
	| { readonly kind: "short"; readonly items: readonly GrantedItem[] }
	| { readonly kind: "refused"; readonly refusal: Refusal; readonly record: RefusalRecord };

export async function judgeShort(sql: SqlConnection, ask: ShortAsk): Promise<MoneyVerdict> {
	const { asker, items } = ask;
	const shortage = shortageOf(ask);
	if (shortage === undefined) {
		if (items.some(isUnanswered)) await askBatches(sql, "announce_claim", ANNOUNCE, [holderOf(asker.number)]);
		return { kind: "short", items };
	}
	const rule = asker.budgets.find(({ budgetId }) => budgetId === shortage.item.budgetId);
	return refuse(sql, ask, { reason: shortage, refusal: budgetRefusal(shortage, asker.teamId, rule, ask.of) });
}

/** No budget of its own, or more than 32. */
export function refuseUncovered(sql: SqlConnection, ask: MoneyAsk): Promise<MoneyVerdict> {
	const { teamId, budgets } = ask.asker;
	const code = budgets.length > MAX_MATCHED_BUDGETS ? "budget.too_many_windows" : "budget.none";
	return refuse(sql, ask, { reason: { code }, refusal: uncoveredRefusal(teamId, { code, met: budgets.length, asker: ask.of }) });
}

/** Records what budgets that are only observed would have refused of what is held now: one record each, as of a call (observed-refusals.ts). */
export async function recordObserved(sql: SqlConnection, ask: MoneyAsk & { readonly asker: Granted }): Promise<void> {
	const { asker } = ask;
	const need = needOf(asker);
	const records = asker.items.map(parseItem).flatMap((item, place) => {
		const unit = asker.budgets.find(({ budgetId }) => budgetId === item.budgetId)?.unit;
		const bound = item.stop < item.limit ? item.stop : item.limit;
		if (!item.isObserved || unit === undefined || item.granted <= bound) return [];
		// It stands in `granted` already.
		const amount = amountIn(unit, need);
		const reason = { code: shortageCode(item, amount, amount), item, unit, idle: amount, need: amount, endsAtMs: 0, isRemembered: false };
		return [{ ...recordOf(ask, reason, `o-${ask.name}-${place}`), openReservations: null, waitedMs: 0, isObserved: true }];
	});
	await record(sql, asker.number, records);
}

function needOf({ needNanoUsd, needTokens }: Asker): Amounts {
	return { ...NOTHING, nanoUsd: BigInt(needNanoUsd), tokens: BigInt(needTokens) };
}

/** Why it is refused; undefined: not yet. */
function shortageOf({ asker, items, waitIsOver, claims = standing(items) }: ShortAsk): Shortage | undefined {
	const need = needOf(asker);
	const byBudget = new Map(items.map((item) => [item.budgetId, item]));
	const evidence = new GrantEvidence({ budgets: asker.budgets, items: byBudget, book: NO_LEASES, askedAtMs: asker.askedAtMs, claims });
	const certain = evidence.blocked(need) ?? evidence.hopeless(need);
	if (certain !== undefined) return certain;
	// The asker's clock began before PostgreSQL's: a refusal is held to the latter.
	const isWaitOver = waitIsOver && asker.waitedMs >= readTeamPolicy(asker.policy).policy.admissionWaitMs;
	const isHearing = (): boolean => asker.sinceLastAskMs !== null && asker.sinceLastAskMs < HEARING_GAP_MS;
	return isWaitOver && !evidence.mayOthersHaveIdle(isHearing) ? evidence.short(need) : undefined;
}

function standing(items: readonly GrantedItem[]): ReadonlyMap<string, bigint> {
	return new Map(items.filter(({ claimId }) => claimId > 0n).map(({ windowId, claimId }) => [windowId, claimId]));
}

function isUnanswered({ claimId, leastAnswered }: GrantedItem): boolean {
	return claimId > 0n && leastAnswered !== null && leastAnswered < claimId;
}

type Reason = Shortage | Pick<Shortage, "code">;

async function refuse(sql: SqlConnection, ask: MoneyAsk, { reason, refusal }: { readonly reason: Reason; readonly refusal: Refusal }): Promise<MoneyVerdict> {
	const made = recordOf(ask, reason, `f-${ask.name}`);
	await record(sql, ask.asker.number, [made]);
	return { kind: "refused", refusal, record: made };
}

function recordOf({ asker, requestId }: MoneyAsk, reason: Reason, name: string): RefusalRecord {
	const { number, teamId, keyId, askedAtMs, waitedMs } = asker;
	const identity = { refusalId: `${holderOf(number)}-${BATCH_EPOCH}-${name}`, refusedAtMs: askedAtMs, waitedMs };
	return refusalRecord({ requestId, key: { teamId, keyId } }, reason, identity);
}

async function record(sql: SqlConnection, number: string, records: readonly RefusalRecord[]): Promise<void> {
	if (records.length === 0) return;
	const rows = records.map((each) => refusalItem(each).json);
	await askBatches(sql, "record_refusals", RECORD_REFUSALS, [holderOf(number), BATCH_EPOCH.toString(), `[${rows.join()}]`]);
}
