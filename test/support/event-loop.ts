/** The longest time in which nothing else ran in this thread while `work` was under way, and how long that was in all. */
export async function largestPause<Result>(
	work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly pauseMs: number; readonly wholeMs: number }> {
	const startedAt = performance.now();
	let lastAt = startedAt;
	let pauseMs = 0;
	let isDone = false;
	const look = (): void => {
		const now = performance.now();
		pauseMs = Math.max(pauseMs, now - lastAt);
		lastAt = now;
		if (!isDone) setTimeout(look, 1);
	};
	setTimeout(look, 1);
	try {
		const result = await work();
		isDone = true;
		look();
		return { result, pauseMs, wholeMs: lastAt - startedAt };
	} finally {
		isDone = true;
	}
}
