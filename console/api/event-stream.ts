const EVENTS_PATH = "/admin/v1/events";
/** The browser comes back by itself after a cut, but not after an answer that is no stream. */
const AGAIN_AFTER_MS = 15_000;

export type StreamListener = {
	onLive(isLive: boolean): void;
	onChanged(topics: readonly string[]): void;
	/** It is heard again, and what changed meanwhile was told to nobody. */
	onMissed(): void;
	/** The API answered with something else, as where the session is over; it is asked again later. */
	onRefused(): void;
};

/** The API's events, until what it answers is called. `isTakenOver`: somebody listened before, and something may have been missed. */
export function listenToEvents({ onLive, onChanged, onMissed, onRefused }: StreamListener, { isTakenOver }: { readonly isTakenOver: boolean }): () => void {
	let timer: ReturnType<typeof setTimeout> | undefined;
	let source: EventSource;
	let hasMissed = isTakenOver;
	const open = (): void => {
		source = new EventSource(EVENTS_PATH);
		source.addEventListener("open", () => {
			onLive(true);
			if (hasMissed) onMissed();
			hasMissed = false;
		});
		source.addEventListener("changed", (event: MessageEvent<string>) => onChanged(topicsOf(event.data)));
		source.addEventListener("error", () => {
			onLive(false);
			hasMissed = true;
			if (source.readyState !== EventSource.CLOSED) return;
			timer = setTimeout(open, AGAIN_AFTER_MS);
			onRefused();
		});
	};
	open();
	return () => {
		clearTimeout(timer);
		source.close();
	};
}

function topicsOf(data: string): readonly string[] {
	const { topics } = JSON.parse(data) as { readonly topics: readonly string[] };
	return topics;
}
