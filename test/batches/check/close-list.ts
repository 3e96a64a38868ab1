const SIGNALS = ["SIGTERM", "SIGINT"] as const;
const STOPPED = 2;

type Closable = { close(): Promise<unknown> };

/** What was opened and is to be closed, last first, once; by the end of the check or by a signal, whichever comes first. */
export class CloseList {
	private readonly closes: (() => Promise<unknown>)[] = [];
	private closing: Promise<void> | undefined;

	/** Resolves with what is being opened, which is closed as soon as it is open; it fails where all is being closed by then. */
	async open<Opened extends Closable>(opening: Promise<Opened>): Promise<Opened> {
		this.add(() =>
			opening.then(
				(opened) => opened.close(),
				() => undefined,
			),
		);
		const opened = await opening;
		if (this.closing !== undefined) throw new Error("the check was stopped while it started");
		return opened;
	}

	add(close: () => Promise<unknown>): void {
		this.closes.push(close);
	}

	close(): Promise<void> {
		this.closing ??= this.closeAll();
		return this.closing;
	}

	/** Whoever ends the check leaves nothing running; a second signal does not wait for that. */
	closeAtSignals(): void {
		for (const signal of SIGNALS)
			process.on(signal, () => {
				if (this.closing !== undefined) process.exit(STOPPED);
				void this.close().finally(() => process.exit(STOPPED));
			});
	}

	private async closeAll(): Promise<void> {
		const failures: unknown[] = [];
		for (let close = this.closes.pop(); close !== undefined; close = this.closes.pop()) await close().catch((error: unknown) => failures.push(error));
		if (failures.length > 0) throw new AggregateError(failures, "not all could be closed");
	}
}
