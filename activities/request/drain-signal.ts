/** Wakes when the last open attempt has ended. */
export class DrainSignal {
	private resolve: (() => void) | undefined;

	check(open: number): void {
		if (open === 0) this.resolve?.();
	}

	async wait(open: () => number, deadlineMs: number): Promise<void> {
		if (open() === 0) return;
		let timer: NodeJS.Timeout | undefined;
		await new Promise<void>((resolve) => {
			this.resolve = resolve;
			timer = setTimeout(resolve, deadlineMs);
		});
		clearTimeout(timer);
	}
}
