/** What tabs of one browser say to each other. */
export type TabMessage =
	/** Of the tab that listens to the API's events, to the others: what it heard, and whether it hears anything. */
	| { readonly kind: "changed"; readonly topics: readonly string[] }
	| { readonly kind: "missed" }
	| { readonly kind: "live"; readonly isLive: boolean }
	/** Of a tab that is new, to that one. */
	| { readonly kind: "asked" }
	/** Of the tab in which somebody signed in or out: the cookie is that of all. */
	| { readonly kind: "signed-in" }
	| { readonly kind: "signed-out" };

/** One of the page for sending and hearing, so that it does not hear itself. */
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("tollgate-console") : undefined;

export function tellTabs(message: TabMessage): void {
	channel?.postMessage(message);
}

/** Until what it answers is called. */
export function hearTabs(onMessage: (message: TabMessage) => void): () => void {
	const hear = ({ data }: MessageEvent<TabMessage>): void => onMessage(data);
	channel?.addEventListener("message", hear);
	return () => channel?.removeEventListener("message", hear);
}
