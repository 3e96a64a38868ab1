import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { invalidateTopics } from "./use-answer.ts";

const EVENTS_PATH = "/admin/v1/events";
/** The browser comes back by itself after a cut, but not after an answer that is no stream. */
const AGAIN_AFTER_MS = 15_000;

/** Listens to what changed and asks for it anew; false while nobody tells. */
export function useLiveUpdates(): boolean {
	const client = useQueryClient();
	const [isLive, setIsLive] = useState(false);
	useEffect(() => listen(client, setIsLive), [client]);
	return isLive;
}

function listen(client: QueryClient, onLive: (isLive: boolean) => void): () => void {
	let timer: ReturnType<typeof setTimeout> | undefined;
	let source: EventSource;
	let wasCut = false;
	const open = (): void => {
		source = new EventSource(EVENTS_PATH);
		source.addEventListener("open", () => {
			onLive(true);
			// What changed meanwhile was told to nobody.
			if (wasCut) void client.invalidateQueries({ predicate: ({ meta }) => meta?.["topics"] !== undefined });
			wasCut = false;
		});
		source.addEventListener("changed", (event: MessageEvent<string>) => void invalidateTopics(client, topicsOf(event.data)));
		source.addEventListener("error", () => {
			onLive(false);
			wasCut = true;
			if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN_AFTER_MS);
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
