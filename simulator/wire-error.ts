import { MultipartError } from "./batches/multipart.ts";
import { PlanError } from "./batches/plan.ts";
import { DirectiveError } from "./directive.ts";
import { ProviderError } from "./provider-error.ts";

/** The error as it goes onto the wire; undefined for one that is ours. */
export function wireErrorOf(error: unknown): ProviderError | undefined {
	if (error instanceof ProviderError) return error;
	const isMistaken = error instanceof DirectiveError || error instanceof PlanError || error instanceof MultipartError;
	return isMistaken ? new ProviderError(400, error.message) : undefined;
}
