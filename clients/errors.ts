import type { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { PolicyDiff, PolicyMistake } from "./policy-contract.ts";

export type { ErrorCode };
export { CostControlError };

/** Nobody answers at the address: nothing was asked, or the answer was lost; repeating reads and settings is safe. */
export class UnreachableError extends Error {
	override readonly name = "UnreachableError";
	readonly url: string;

	constructor(url: string, cause: unknown) {
		super(`nothing answers at ${url}`, { cause });
		this.url = url;
	}
}

/** A policy file that was not applied: for its `mistakes`, every one, or because something changed since its basis, with the new `diff`. */
export class PolicyRefusal extends CostControlError {
	readonly mistakes: readonly z.output<typeof PolicyMistake>[];
	readonly diff: z.output<typeof PolicyDiff> | null;

	constructor(error: CostControlError, found: Pick<PolicyRefusal, "mistakes" | "diff">) {
		super(error.code, error.publicMessage, { details: error.details });
		this.mistakes = found.mistakes;
		this.diff = found.diff;
	}
}

/** The error of an answer of the administration API; `details.field` names the field to look at, if there is one. */
export function errorOfAnswer(status: number, body: unknown): CostControlError {
	const error = (body as { error?: { code?: unknown; message?: unknown; field?: unknown; mistakes?: unknown; diff?: unknown } } | null)?.error;
	const code = typeof error?.code === "string" && Object.hasOwn(ERROR_CODES, error.code) ? (error.code as ErrorCode) : "internal.invariant";
	const message = typeof error?.message === "string" ? error.message : `the administration API answered ${status} without saying why`;
	const refused = new CostControlError(code, message, { details: { httpStatus: status, field: typeof error?.field === "string" ? error.field : null } });
	const mistakes = PolicyMistake.array().safeParse(error?.mistakes);
	const diff = PolicyDiff.safeParse(error?.diff);
	return mistakes.success || diff.success ? new PolicyRefusal(refused, { mistakes: mistakes.data ?? [], diff: diff.data ?? null }) : refused;
}
