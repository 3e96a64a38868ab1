/** Counts calls that are still being accounted for, also those whose caller has left, so that a drain can wait for them. */
export type OpenCalls = {
	readonly count: number;
	/** Returns the function that ends the call; called once. */
	enter(): () => void;
	/** Resolves when none is open. */
	whenNone(): Promise<void>;
};

export function createOpenCalls(): OpenCalls {
	let count = 0;
	let waiting: (() => void)[] = [];
	const leave = (): void => {
		count -= 1;
		if (count > 0) return;
		for (const resume of waiting) resume();
		waiting = [];
	};
	return {
		get count() {
			return count;
		},
		enter() {
			count += 1;
			return leave;
		},
		whenNone: () => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
	};
}
