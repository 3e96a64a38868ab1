import type { IncomingHttpHeaders } from "node:http";
import type { RunNaming } from "#activities/request/run-naming.ts";
import { RUN_ID_PATTERN } from "#domain/agents/run.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { Problem } from "./problem.ts";

const RUN_HEADER = "x-tollgate-run";
const PARENT_HEADER = "x-tollgate-parent-run";
const AGENT_HEADER = "x-tollgate-agent";

export type ReadRun = { readonly kind: "said"; readonly naming: RunNaming } | { readonly kind: "rejected"; readonly problem: Problem };

/** Printable ASCII without a comma, with which node:http joins a header that is given twice; no blank at the ends, which HTTP takes away. */
const AGENT = /^[\x21-\x2b\x2d-\x7e](?:[\x20-\x2b\x2d-\x7e]{0,62}[\x21-\x2b\x2d-\x7e])?$/;
const RUN_ID_RULE = "must be 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or a digit";

/** What the headers say of the agent run a call belongs to; undefined where they say nothing. None of them reaches a provider. */
export function readRunHeaders(headers: IncomingHttpHeaders): ReadRun | undefined {
	const runId = headers[RUN_HEADER];
	const parentRunId = headers[PARENT_HEADER];
	const agent = headers[AGENT_HEADER];
	if (runId === undefined && parentRunId === undefined && agent === undefined) return undefined;
	const problems: FieldProblem[] = [];
	if (runId !== undefined && !isRunId(runId)) problems.push({ field: RUN_HEADER, problem: RUN_ID_RULE });
	if (parentRunId !== undefined && !isRunId(parentRunId)) problems.push({ field: PARENT_HEADER, problem: RUN_ID_RULE });
	if (parentRunId !== undefined && runId === undefined)
		problems.push({ field: PARENT_HEADER, problem: `needs ${RUN_HEADER}, the run that it is the parent of` });
	if (agent !== undefined && !(typeof agent === "string" && AGENT.test(agent)))
		problems.push({ field: AGENT_HEADER, problem: "must be 1 to 64 printable ASCII characters without a comma" });
	if (problems.length > 0) return { kind: "rejected", problem: invalidRun(problems) };
	const claim = typeof runId === "string" ? { runId, parentRunId: typeof parentRunId === "string" ? parentRunId : null } : null;
	return { kind: "said", naming: { claim, agent: typeof agent === "string" ? agent : "" } };
}

/** Every mistake in one message, and in a list by its field. */
export function invalidRun(problems: readonly FieldProblem[]): Problem {
	const message = problems.map(({ field, problem }) => `${field} ${problem}.`).join(" ");
	const [first] = problems;
	return { code: "run.invalid", message, ...(first && { field: first.field }), problems };
}

function isRunId(value: string | string[]): boolean {
	return typeof value === "string" && RUN_ID_PATTERN.test(value);
}
