/**
 * A team's policy revision counts its changes and fences them. A policy document (migrations/0017_policy.sql) raises it to the next
 * multiple of 1,000, and no change of the team's workflow has such a number: what the workflow decided before it heard of the
 * document is never taken for the document.
 */
export const DOCUMENT_REVISION_STEP = 1_000;

/** The number of a workflow's next change. */
export function nextRevision(revision: number): number {
	const next = revision + 1;
	return next % DOCUMENT_REVISION_STEP === 0 ? next + 1 : next;
}
