/**
 * When to look again at a run that stands still. The gateway's estimate counts, within bounds: never sooner than twice the wait
 * before, so that a wrong estimate makes no loop; and at least every ten minutes, so that a person who lets the run go on is
 * noticed. A pause of a week is then about a thousand looks, over several runs of the history.
 */
const FIRST_CHECK_MS = 1_000;
export const CHECK_EVERY_MS_MAX = 600_000;
/** Beyond this many doublings the floor is above the cap anyway. */
const DOUBLINGS_MAX = 20;

/** `checks`: looks so far. `askAgainMs` null: nobody can say when. */
export function checkAgainMs(askAgainMs: number | null, checks: number): number {
	const floorMs = Math.min(FIRST_CHECK_MS * 2 ** Math.min(checks, DOUBLINGS_MAX), CHECK_EVERY_MS_MAX);
	if (askAgainMs === null || !(askAgainMs > floorMs)) return floorMs;
	return Math.min(Math.ceil(askAgainMs), CHECK_EVERY_MS_MAX);
}
