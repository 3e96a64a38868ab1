import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** Whatever fails in work that is tried again is told once, as an outage is (repeat.ts). */
export async function orUnreachable<Result>(work: () => Promise<Result>): Promise<Result> {
	try {
		return await work();
	} catch (cause) {
		throw new CostControlError("governance.unreachable", cause instanceof Error ? cause.message : String(cause), { cause });
	}
}
