import { countForReports } from "#activities/reports/count-dear-calls.ts";
import { monthBefore } from "#domain/chargeback/month.ts";
import { MonthLedger } from "./chargeback.ts";
import type { ConsoleStand } from "./console-stand.ts";
import { FAILED_BATCH, LOOPING_RUN, PAUSED_RUN, RUNNING_BATCH, STOPPED_RUN, seedConsoleWork } from "./console-work.ts";
import { STORY_ID, seedConsoleWorld } from "./console-world.ts";

/** One month is closed, the one after it waits for somebody to approve it. */
export const MONTH = monthBefore(new Date().toISOString().slice(0, 7));
const CLOSED_MONTH = monthBefore(MONTH);

/** Of an increase of team search that nobody has decided about. */
export const WAITING_REASON = "for the week of the fair";

export const OWNER = "owner of one team";
export const OWNER_OF_TWO = "owner of two teams";
export type Who = "viewer" | "finance" | "operator" | typeof OWNER | typeof OWNER_OF_TWO;

const GRANTS: Readonly<Record<Who, { readonly role: string; readonly teamIds?: readonly string[] }>> = {
	viewer: { role: "viewer" },
	[OWNER]: { role: "team-owner", teamIds: ["search"] },
	[OWNER_OF_TWO]: { role: "team-owner", teamIds: ["support", "search"] },
	finance: { role: "finance" },
	operator: { role: "operator" },
};
export const EVERYBODY = Object.keys(GRANTS) as readonly Who[];

/** What people may change, as docs/console.md has it: about what is of their teams, in the books, and of the system. */
export type Right = "govern" | "keep books" | "operate";
const RIGHTS: Readonly<Record<Who, readonly Right[]>> = {
	viewer: [],
	[OWNER]: ["govern"],
	[OWNER_OF_TWO]: ["govern"],
	finance: ["keep books"],
	operator: ["govern", "keep books", "operate"],
};

export function mayDo(who: Who, right: Right): boolean {
	return RIGHTS[who].includes(right);
}

export function isOwner(who: Who): boolean {
	return GRANTS[who].teamIds !== undefined;
}

/** Texts that only the pages of whoever may see a team may hold. "chat", a feature of support, is also what a kind of call is called. */
const TEXTS_OF: Readonly<Record<string, readonly string[]>> = {
	search: ["search", "ranking", "answers", PAUSED_RUN, LOOPING_RUN, RUNNING_BATCH, FAILED_BATCH],
	support: ["support", "triage", "summaries", STOPPED_RUN, "job-0", "nightly-summaries", STORY_ID],
	research: ["research", "notebooks"],
	billing: ["billing", "dunning", "req_refused_3"],
	quiet: ["quiet"],
};

/** What stands in none of somebody's pages; nothing of those who see all teams. */
export function foreignTextsOf(who: Who): readonly string[] {
	const own = GRANTS[who].teamIds ?? Object.keys(TEXTS_OF);
	return Object.entries(TEXTS_OF).flatMap(([teamId, texts]) => (own.includes(teamId) ? [] : texts));
}

/** A company with everything the console has pages for, an admin key for each role, and what addresses name. */
export type RolesWorld = {
	readonly keys: Readonly<Record<Who, string>>;
	/** A call of team search, the alert that its budget is spent, which nobody took, and a report on it; the same of other teams. */
	readonly requestId: string;
	readonly alertId: string;
	readonly foreignAlertId: string;
	readonly reportId: string;
	readonly foreignReportId: string;
	readonly foreignBatchId: string;
	readonly policyRevision: string;
};

export async function seedRolesWorld(stand: ConsoleStand): Promise<RolesWorld> {
	await seedConsoleWork(stand);
	await seedConsoleWorld(stand);
	const { databaseUrl, pool } = stand.administration;
	const ledger = MonthLedger.over(databaseUrl, pool);
	await ledger.closeMonth(CLOSED_MONTH);
	await ledger.draft(MONTH);
	for (const teamId of ["search", "support", "billing"]) await stand.ask("POST", "/keys", { teamId, feature: `${teamId} by key` });
	// The world's own is decided.
	const { key } = await stand.ask<{ key: string }>("POST", "/admin-keys", { name: "cyd" });
	await stand.ask("POST", "/increases", { teamId: "search", windowKind: "month", dimension: "team", amountUsd: "7", reason: WAITING_REASON }, key);
	await countForReports(pool);
	const reports: Record<string, string> = {};
	for (const teamId of ["search", "support", "billing"]) reports[teamId] = (await stand.ask<{ id: string }>("POST", "/reports", { kind: "weekly", teamId })).id;
	await stand.ask("POST", "/reports", { kind: "daily" });
	const keys: Record<string, string> = {};
	for (const [who, grant] of Object.entries(GRANTS)) keys[who] = (await stand.ask<{ key: string }>("POST", "/admin-keys", { name: who, ...grant })).key;
	return {
		keys: keys as RolesWorld["keys"],
		requestId: await first(stand, "/requests?teamId=search", "requests", "requestId"),
		alertId: await first(stand, "/alerts?teamId=search&dead=true&firing=true&limit=1", "alerts", "id"),
		foreignAlertId: await first(stand, "/alerts?teamId=support&limit=1", "alerts", "id"),
		reportId: reports["search"] ?? "",
		foreignReportId: reports["billing"] ?? "",
		foreignBatchId: await first(stand, "/batches?teamId=support&limit=1", "batches", "batchId"),
		policyRevision: await applyPolicy(stand),
	};
}

async function first(stand: ConsoleStand, question: string, list: string, field: string): Promise<string> {
	const answer = await stand.ask<Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>>("GET", question);
	const value = answer[list]?.[0]?.[field];
	if (value === undefined) throw new Error(`${question} answers no ${field}`);
	return value;
}

async function applyPolicy(stand: ConsoleStand): Promise<string> {
	const { basis } = await stand.ask<{ basis: string }>("GET", "/policy");
	const file = 'version: 1\norganization:\n  budgets:\n    - { window: month, limitUsd: "5000" }\n';
	return (await stand.ask<{ revision: string }>("POST", "/policy/apply", { file, basis })).revision;
}
