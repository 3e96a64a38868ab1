import type { FastifyError, FastifyReply } from "fastify";
import type { z } from "zod";
import { RefusedPolicy } from "#activities/policy/port.ts";
import type { Problem } from "#clients/administration-contract.ts";
import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { copyDiff } from "./policy-routes.ts";

export type AdministrationProblem = z.input<typeof Problem>["error"] & { readonly code: ErrorCode };

/** What a caller is told of an error; what nobody foresaw is our fault, and no more is said of it. */
export function problemOf(error: FastifyError): AdministrationProblem {
	if (error instanceof CostControlError) {
		const { code, publicMessage: message, details } = error;
		const refused =
			error instanceof RefusedPolicy ? { mistakes: error.mistakes?.map((mistake) => ({ ...mistake })), diff: error.diff && copyDiff(error.diff) } : {};
		return { code, message, field: typeof details["field"] === "string" ? details["field"] : null, ...refused };
	}
	if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return { code: "request.too_large", message: "The body is larger than this route takes.", field: null };
	if (error.statusCode !== undefined && error.statusCode < 500) return { code: "request.invalid", message: error.message, field: null };
	if (isDatabaseAway(error)) return { code: "authority.unreachable", message: "PostgreSQL does not answer; try again.", field: null };
	return { code: "internal.invariant", message: "Tollgate failed to serve this request. Its log says why.", field: null };
}

/**
 * Connection refused, reset, timed out; or PostgreSQL's classes 08 (connection), 53 (resources), 57 (shutdown, statement timeout), 58 (its
 * disk), or 55P03 (a lock not given in time). The driver gives no code to a connection that is lost under a statement, only these words.
 */
function isDatabaseAway({ code, message }: { readonly code?: string; readonly message: string }): boolean {
	if (/^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|08...|53...|57...|58...|55P03)/.test(code ?? "")) return true;
	return code === undefined && /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect)/.test(message);
}

export function sendProblem(reply: FastifyReply, problem: AdministrationProblem): FastifyReply {
	const { httpStatus } = ERROR_CODES[problem.code];
	if (httpStatus === 503) reply.header("retry-after", "1");
	return reply.code(httpStatus).send({ error: problem });
}
