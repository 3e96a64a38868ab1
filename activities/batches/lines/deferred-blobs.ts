/**
 * The bytes of a request that was handed in alone: what is to be sent, with the model that its caller asked for. `digest`: of these bytes, where the id is
 * derived, so that of two requests that come at once under one Idempotency-Key neither writes over the other's. Which one was accepted stands in its item.
 */
export function bodyKey(teamId: string, deferredId: string, digest: string | null = null): string {
	return `${teamId}/deferred/${deferredId}/body${digest === null ? "" : `-${digest}`}`;
}

/** The bytes of its answer, or of an error in the shape of the protocol where nobody answered. */
export function answerKey(teamId: string, deferredId: string): string {
	return `${teamId}/deferred/${deferredId}/answer`;
}
