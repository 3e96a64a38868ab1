import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { listenToEvents, type StreamListener } from "./event-stream.ts";
import { refreshSession } from "./session.ts";
import { hearTabs, tellTabs } from "./tabs.ts";
import { invalidateTopics } from "./use-answer.ts";

/** Held by the one tab of a browser that listens: a browser opens six connections to a host, and a stream takes one for as long as it lasts. */
const LOCK = "tollgate-events";

/** Hears what changed, here or through another tab, and asks for it anew; false while nobody tells. */
export function useLiveUpdates(): boolean {
	const client = useQueryClient();
	const [isLive, setIsLive] = useState(false);
	useEffect(() => {
		const hearing = hearingOf(client, setIsLive);
		// Only pages that came by https, or from the loopback, have locks.
		return "locks" in navigator && "BroadcastChannel" in globalThis ? share(hearing) : listenToEvents(hearing, { isTakenOver: false });
	}, [client]);
	return isLive;
}

function hearingOf(client: QueryClient, onLive: (isLive: boolean) => void): StreamListener {
	return {
		onLive,
		onChanged: (topics) => void invalidateTopics(client, topics),
		onMissed: () => void askAgain(client),
		// Where that is because the session is over, its end is found.
		onRefused: () => void refreshSession(client),
	};
}

/** Everything that can change, and first whose it is: a stream ends with its session, and comes again as the one after it. */
async function askAgain(client: QueryClient): Promise<void> {
	if (await refreshSession(client)) await client.invalidateQueries({ predicate: ({ meta }) => meta?.["topics"] !== undefined });
}

/** One tab listens and tells the others; when it goes, the next one does. */
function share(hearing: StreamListener): () => void {
	const leaving = new AbortController();
	const stopHearing = hearTabs((message) => {
		if (message.kind === "changed") hearing.onChanged(message.topics);
		else if (message.kind === "missed") hearing.onMissed();
		else if (message.kind === "live") hearing.onLive(message.isLive);
	});
	tellTabs({ kind: "asked" });
	void takeTurn(leaving.signal, (isTakenOver) => lead(hearing, { isTakenOver, signal: leaving.signal }));
	return () => {
		stopHearing();
		leaving.abort();
	};
}

/** Waits for its turn, and keeps it until `act` is over. */
async function takeTurn(signal: AbortSignal, act: (isTakenOver: boolean) => Promise<void>): Promise<void> {
	await navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock === null ? undefined : act(false)));
	if (signal.aborted) return;
	try {
		await navigator.locks.request(LOCK, { signal }, () => act(true));
	} catch (error) {
		// It left before its turn came.
		if (!signal.aborted) throw error;
	}
}

function lead(hearing: StreamListener, { isTakenOver, signal }: { readonly isTakenOver: boolean; readonly signal: AbortSignal }): Promise<void> {
	let isLive = false;
	const tellState = (): void => tellTabs({ kind: "live", isLive });
	const stopAnswering = hearTabs(({ kind }) => {
		if (kind === "asked") tellState();
	});
	const turn: StreamListener = {
		...hearing,
		onLive(now) {
			isLive = now;
			hearing.onLive(now);
			tellState();
		},
		onChanged(topics) {
			hearing.onChanged(topics);
			tellTabs({ kind: "changed", topics });
		},
		onMissed() {
			hearing.onMissed();
			tellTabs({ kind: "missed" });
		},
	};
	turn.onLive(false);
	const stopListening = listenToEvents(turn, { isTakenOver });
	return new Promise((resolve) => {
		const stop = (): void => {
			stopListening();
			stopAnswering();
			resolve();
		};
		if (signal.aborted) stop();
		else signal.addEventListener("abort", stop, { once: true });
	});
}
