/** The bytes of a request that was handed in alone: what is to be sent, with the model that its caller asked for. */
export function bodyKey(teamId: string, deferredId: string): string {
	return `${teamId}/deferred/${deferredId}/body`;
}

/** The bytes of its answer, or of an error in the shape of the protocol where nobody answered. */
export function answerKey(teamId: string, deferredId: string): string {
	return `${teamId}/deferred/${deferredId}/answer`;
}
