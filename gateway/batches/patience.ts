import type { Leaving } from "#activities/request/leaving.ts";

/** Nobody is there to hear more. */
export class CallerLeft extends Error {}

/** Rejects with CallerLeft as soon as the caller leaves. */
export function pause(milliseconds: number, leaving: Leaving): Promise<void> {
	return new Promise((resolve, reject) => {
		const leave = (): void => {
			clearTimeout(timer);
			reject(new CallerLeft());
		};
		const timer = setTimeout(() => {
			leaving.forget(leave);
			resolve();
		}, milliseconds);
		// Who has left already is not told again.
		if (leaving.hasLeft) leave();
		else leaving.onLeave(leave);
	});
}
