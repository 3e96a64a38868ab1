import { countForAnswer } from "#activities/spend/count-spend.ts";
import { auditSimpleCalls, type Saving } from "#domain/audit/audit-use.ts";
import { isSimpleTask } from "#domain/audit/task-kind.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { type CheaperModel, type CheaperSources, createCheaperChooser } from "./choose-cheaper.ts";
import { type DaySpan, type ModelUse, readModelUses } from "./read-uses.ts";

export type AuditQuestion = {
	readonly teamId?: string | undefined;
	readonly feature?: string | undefined;
	/** YYYY-MM-DD, UTC; default 28 days before `to`. */
	readonly from?: string | undefined;
	/** Exclusive; default today: days that are over. */
	readonly to?: string | undefined;
};

export type AuditedUse = Omit<ModelUse, "simpleDays"> & {
	readonly calls: number;
	readonly simpleCalls: number;
	/** Absent where no cheaper model is known. */
	readonly cheaper?: Omit<CheaperModel, "line"> & Saving;
};

export type ModelAudit = DaySpan & {
	/** The largest expected saving first, then by cost. */
	readonly uses: readonly AuditedUse[];
	/** Everything that the ledger held is in it. */
	readonly isComplete: boolean;
};

const DEFAULT_DAYS = 28;
const DAYS_MAX = 366;
const DAY_MS = 86_400_000;

/**
 * Which calls of each feature a cheaper model would serve by their length and structure, and what that would save. A recommendation: nothing is changed.
 * @throws CostControlError "admin.invalid" for a day that is none, a span that is backwards, empty or of more than 366 days, or that is not over.
 */
export async function auditModels(sources: CheaperSources, question: AuditQuestion): Promise<ModelAudit> {
	const span = readDays(question);
	const { isComplete } = await countForAnswer(sources.database);
	const uses = await readModelUses(sources.database, { ...span, teamId: question.teamId, feature: question.feature });
	const cheaperOf = await createCheaperChooser(sources);
	const audited = uses.map((use) => auditUse(use, cheaperOf(use))).sort(bySaving);
	return { ...span, uses: audited, isComplete };
}

function auditUse({ simpleDays, ...use }: ModelUse, cheaper: CheaperModel | undefined): AuditedUse {
	const sum = (of: (kind: ModelUse["kinds"][number]) => boolean): number => use.kinds.filter(of).reduce((total, { calls }) => total + calls, 0);
	const counted = { ...use, calls: sum(() => true), simpleCalls: sum(({ taskKind }) => taskKind !== null && isSimpleTask(taskKind)) };
	if (cheaper === undefined) return counted;
	return { ...counted, cheaper: { model: cheaper.model, chosenBy: cheaper.chosenBy, ...auditSimpleCalls(simpleDays, cheaper.line) } };
}

function bySaving(left: AuditedUse, right: AuditedUse): number {
	const worth = ({ cheaper }: AuditedUse): bigint => (cheaper?.isRecommended ? cheaper.monthly.expectedNanoUsd : 0n);
	const difference = worth(right) - worth(left);
	return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

function readDays({ from, to }: AuditQuestion): DaySpan {
	const todayMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
	const toMs = readDay(to, "to") ?? todayMs;
	if (toMs > todayMs) throw invalid("to", "is not over yet: an audit is of days that are");
	const fromMs = readDay(from, "from") ?? toMs - DEFAULT_DAYS * DAY_MS;
	if (fromMs >= toMs) throw invalid("from", "is not before to");
	if (toMs - fromMs > DAYS_MAX * DAY_MS) throw invalid("from", `is more than ${DAYS_MAX} days before to`);
	return { from: dayOf(fromMs), to: dayOf(toMs) };
}

function readDay(text: string | undefined, field: string): number | undefined {
	if (text === undefined) return undefined;
	const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN;
	if (Number.isNaN(ms) || dayOf(ms) !== text) throw invalid(field, `${JSON.stringify(text.slice(0, 40))} is no day like 2026-11-01`);
	return ms;
}

function dayOf(ms: number): string {
	return new Date(ms).toISOString().slice(0, 10);
}

function invalid(field: string, problem: string): CostControlError {
	return new CostControlError("admin.invalid", `${field}: ${problem}`, { details: { field } });
}
