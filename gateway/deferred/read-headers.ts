import type { FastifyRequest } from "fastify";
import type { KeyIdentity, RequestAuthority } from "#activities/request/port.ts";
import type { TraceContext } from "#activities/telemetry/port.ts";
import { CHANNEL_NAME_PATTERN } from "#domain/alerts/channel.ts";
import { type DeadlineReading, readDeadline } from "#domain/batching/deferred.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { type Asserted, readAssertions } from "../assertions.ts";
import { mediaProblems } from "../call-body.ts";
import { IDEMPOTENCY_HEADER, readIdempotencyKey } from "../idempotency-key.ts";
import type { Problem } from "../problem.ts";
import { readKeptTraceContext } from "../trace-context.ts";

/** What the headers of an item say: how it is to be answered, and for whom. Every mistake is told at once. */
export type ItemHeaders = {
	readonly deadlineMs: number | null;
	/** False: `x-tollgate-lane: batch`. */
	readonly mayGoRealTime: boolean;
	readonly webhook: string | null;
	readonly idempotencyKey: string | null;
	readonly asserted: Asserted;
	readonly traceContext: TraceContext | null;
};
export type ReadItemHeaders =
	| { readonly kind: "read"; readonly headers: ItemHeaders }
	/** Nothing is wrong but the deadline, which may have been good before: only an item that is known already is answered. Its deadline stands as null. */
	| { readonly kind: "too_soon"; readonly headers: ItemHeaders; readonly problem: Problem }
	| { readonly kind: "rejected"; readonly problem: Problem };

export type HeaderRules = {
	readonly key: KeyIdentity;
	readonly authority: RequestAuthority;
	/** Milliseconds since 1970. */
	readonly nowMs: number;
	readonly knowsChannel: ((name: string) => Promise<boolean>) | undefined;
};

const DEADLINE = "x-tollgate-deadline";
const LANE = "x-tollgate-lane";
const WEBHOOK = "x-tollgate-webhook";
const RUN_HEADERS = ["x-tollgate-run", "x-tollgate-parent-run", "x-tollgate-agent"] as const;

export async function readItemHeaders(request: FastifyRequest, rules: HeaderRules): Promise<ReadItemHeaders> {
	const { key, authority, nowMs } = rules;
	if (key.requiresRun === true)
		return rejected({
			code: "key.scope",
			message: "Every call of this key belongs to an agent run, and an item that is handed in alone belongs to none: use another key.",
		});
	const problems: FieldProblem[] = [];
	const refuse = (field: string, problem: string): void => void problems.push({ field, problem: problem.replace(/\.$/, "") });
	const deadline = readDeadlineHeader(request, nowMs);
	if (deadline !== null && deadline.kind !== "deadline") refuse(DEADLINE, deadline.message);
	const mayGoRealTime = readLane(request, refuse);
	const webhook = await readWebhook(request, rules.knowsChannel, refuse);
	const idempotencyKey = readKey(request, refuse);
	problems.push(...mediaProblems(request), ...foreignProblems(request));
	const assertions = await readAssertions(request.headers, key, authority);
	if (assertions.kind === "rejected") {
		if (problems.length === 0) return assertions;
		refuse(assertions.problem.field ?? "x-tollgate-user", assertions.problem.message);
	}
	if (assertions.kind === "rejected") return rejected(toProblem(problems));
	const deadlineMs = deadline?.kind === "deadline" ? deadline.deadlineMs : null;
	const traceContext = readKeptTraceContext(request.headers);
	const headers = { deadlineMs, mayGoRealTime, webhook, idempotencyKey, asserted: assertions.values, traceContext };
	if (problems.length === 0) return { kind: "read", headers };
	const isDeadlineAlone = problems.length === 1 && deadline?.kind === "too_soon";
	return isDeadlineAlone ? { kind: "too_soon", headers, problem: toProblem(problems) } : rejected(toProblem(problems));
}

type Refuse = (field: string, problem: string) => void;

function readDeadlineHeader({ headers }: FastifyRequest, nowMs: number): DeadlineReading | null {
	const text = headers[DEADLINE];
	return text === undefined ? null : readDeadline(String(text), nowMs);
}

function readLane({ headers }: FastifyRequest, refuse: Refuse): boolean {
	const lane = headers[LANE];
	if (lane !== undefined && lane !== "batch") refuse(LANE, "must be batch, which forbids real time, or be left out");
	return lane === undefined;
}

async function readWebhook({ headers }: FastifyRequest, knowsChannel: HeaderRules["knowsChannel"], refuse: Refuse): Promise<string | null> {
	const name = headers[WEBHOOK];
	if (name === undefined) return null;
	if (typeof name === "string" && CHANNEL_NAME_PATTERN.test(name) && (await knowsChannel?.(name)) === true) return name;
	refuse(WEBHOOK, "must be the name of a channel of policy");
	return null;
}

function readKey({ headers, raw }: FastifyRequest, refuse: Refuse): string | null {
	if (headers[IDEMPOTENCY_HEADER] === undefined) return null;
	const read = readIdempotencyKey(raw);
	if (read.kind === "key") return read.key;
	refuse(IDEMPOTENCY_HEADER, read.problem.message);
	return null;
}

/** What an item cannot have: left unread, it would be a promise that nobody keeps. */
function foreignProblems({ headers, query }: FastifyRequest): FieldProblem[] {
	const run = RUN_HEADERS.find((name) => headers[name] !== undefined);
	return [
		...(run === undefined ? [] : [{ field: run, problem: "must be left out: an item that is handed in alone belongs to no agent run" }]),
		...(headers["anthropic-beta"] === undefined
			? []
			: [{ field: "anthropic-beta", problem: "must be left out: items of many callers go together, without betas" }]),
		...(Object.keys(query as object).length === 0 ? [] : [{ field: "query", problem: "must be left out: no parameters are accepted" }]),
	];
}

/** A deadline has a code of its own, since it is what most often has to be chosen anew. */
function toProblem(problems: readonly FieldProblem[]): Problem {
	const [first] = problems;
	const message = problems.map(({ field, problem }) => `${field}: ${problem}.`).join(" ");
	const code = first?.field === DEADLINE ? "deferred.deadline" : "request.invalid";
	return { code, message, ...(first && { field: first.field }), problems };
}

function rejected(problem: Problem): ReadItemHeaders {
	return { kind: "rejected", problem };
}
