import { CEILING_KINDS, type CeilingKind } from "#domain/agents/ceilings.ts";
import { parseUsd } from "#domain/money/wire.ts";
import { api, unwrap } from "../../api/client.ts";
import { mayGovern, mayOperate } from "../../api/rights.ts";
import type { Session } from "../../api/session.ts";
import { isCeiling, type Run, type StandingCeiling } from "./run-words.ts";

export type DecisionKind = "resume" | "approve" | "raise" | "stop" | "finish";
/** `run` as it was looked at: the API refuses the decision where it is another one by then. */
export type Deciding = { readonly kind: DecisionKind; readonly run: Run };

/** What this person may decide of the run as it stands, the most likely first. */
export function decisionsOf(run: Run, session: Session): readonly DecisionKind[] {
	const { state, hold } = run;
	if (state === "finished" || !mayGovern(session)) return [];
	const isCeilingHold = hold !== null && isCeiling(hold);
	const isOwnCeiling = isCeilingHold && hold.ofRunId === run.runId;
	return [
		...(hold !== null && !isCeilingHold ? (["resume"] as const) : []),
		...(isOwnCeiling ? (["approve"] as const) : []),
		...(!isOwnCeiling && raisable(run).length > 0 ? (["raise"] as const) : []),
		...(state === "stopped" ? [] : (["stop"] as const)),
		...(mayOperate(session) ? (["finish"] as const) : []),
	];
}

/** The hard ceilings that the run states itself. */
export function raisable({ runId, ceilings }: Run): readonly StandingCeiling[] {
	return ceilings.filter(({ ofRunId, isSoft, kind }) => ofRunId === runId && !isSoft && CEILING_KINDS.some((known) => known === kind));
}

/** Of all its cost ceilings, those above it counted in, the least that is left; null where there is none. */
export function costLeftNanoUsd({ ceilings }: Run): bigint | null {
	const left = ceilings.filter(({ kind, isSoft }) => kind === "costNanoUsd" && !isSoft).map(({ at, taken }) => BigInt(at) - BigInt(taken));
	return left.reduce<bigint | null>((least, one) => (least === null || one < least ? one : least), null);
}

const MINUTE_MS = 60_000;

export function unitOf(kind: string): string {
	if (kind === "costNanoUsd") return "USD";
	return kind === "elapsedMs" ? "minutes" : "";
}

/** What was typed for a ceiling, in its own unit as a decimal string; undefined where it is no amount. */
export function readCeiling(kind: string, text: string): string | undefined {
	if (kind === "costNanoUsd") {
		const nanoUsd = parseUsd(text);
		return nanoUsd === undefined || nanoUsd < 0n ? undefined : nanoUsd.toString();
	}
	if (!/^\d{1,13}$/.test(text.trim())) return undefined;
	return (BigInt(text.trim()) * (kind === "elapsedMs" ? BigInt(MINUTE_MS) : 1n)).toString();
}

export type RaisedCeiling = Pick<StandingCeiling, "kind" | "tool"> & { readonly amount: string };
type Limits = Record<string, string | number | Record<string, number>>;

/** New totals as the API takes them: money as text, all else as numbers. */
export function limitsOf(raised: readonly RaisedCeiling[]): Limits {
	const tools = raised.filter(({ kind }) => kind === "toolCalls").map(({ tool, amount }) => [tool ?? "*", Number(amount)] as const);
	const others = raised
		.filter(({ kind }) => kind !== "toolCalls")
		.map(({ kind, amount }) => [kind, (kind as CeilingKind) === "costNanoUsd" ? amount : Number(amount)] as const);
	return { ...Object.fromEntries(others), ...(tools.length > 0 && { toolCalls: Object.fromEntries(tools) }) };
}

/** @throws ApiProblem. */
export async function decide({ kind, run }: Deciding, reason: string, raised: readonly RaisedCeiling[]): Promise<Run> {
	const params = { path: { runId: run.runId } };
	const body = { reason, knownVersion: run.version };
	const raising = { params, body: { ...body, limits: limitsOf(raised) } };
	switch (kind) {
		case "resume":
			return unwrap(await api.POST("/admin/v1/runs/{runId}/resume", { params, body }));
		case "approve":
			return unwrap(await api.POST("/admin/v1/runs/{runId}/approve", raising));
		case "raise":
			return unwrap(await api.POST("/admin/v1/runs/{runId}/raise", raising));
		case "stop":
			return unwrap(await api.POST("/admin/v1/runs/{runId}/stop", { params, body }));
		case "finish":
			return unwrap(await api.POST("/admin/v1/runs/{runId}/finish", { params, body }));
	}
}
