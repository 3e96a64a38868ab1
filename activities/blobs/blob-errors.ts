import { InvariantViolation } from "#domain/assert.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export function blobMissing(key: string): CostControlError {
	return new CostControlError("blob.missing", "There is no such payload: it was never written, or its retention is over.", { details: { key } });
}

/** `problem` continues "it …". */
export function blobDamaged(key: string, problem: string): CostControlError {
	return new CostControlError("blob.damaged", `A stored payload is damaged: it ${problem}.`, { details: { key } });
}

export function blobKeyMissing(key: string, keyId: string): CostControlError {
	return new CostControlError("blob.key_missing", `A stored payload is encrypted with the key ${keyId} of its team, which is not configured here.`, {
		details: { key, keyId },
	});
}

/** Says the kind of the failure, like ENOSPC or AccessDenied, and no address. */
export function blobUnreachable(cause: unknown): CostControlError {
	const { code, name } = cause as { code?: unknown; name?: unknown };
	const problem = [code, name].find((text) => typeof text === "string" && /^\w{1,64}$/.test(text)) as string | undefined;
	return new CostControlError("blob.unreachable", `The store of payloads does not answer as it should (${problem ?? "unknown"}).`, {
		details: { problem: problem ?? null },
		cause,
	});
}

/** Rejects as "blob.unreachable" where the work rejects with what is not our own. */
export async function reachBlobs<Result>(work: () => Promise<Result>): Promise<Result> {
	try {
		return await work();
	} catch (error) {
		if (error instanceof CostControlError || error instanceof InvariantViolation) throw error;
		throw blobUnreachable(error);
	}
}
