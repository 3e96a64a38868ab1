/** What a provider says of one item, in one form for both protocols. `body` is JSON text as the provider wrote it. */
export type ItemResult =
	/** `body`: the answer as the endpoint would have given it (`response.body`, or `message`). */
	| { readonly kind: "succeeded"; readonly httpStatus: number; readonly requestId: string | null; readonly body: string }
	/** `body`: the error object in the protocol's shape. `httpStatus` as the provider gave it, else what its error type stands for. */
	| { readonly kind: "errored"; readonly httpStatus: number; readonly requestId: string | null; readonly body: string }
	/** Not run, not billed. */
	| { readonly kind: "expired" }
	| { readonly kind: "cancelled" };

/** One line of a results file. `customId` is ours: the attempt id of the item's try (attempt-of-item.ts). */
export type ResultLine =
	| { readonly kind: "item"; readonly customId: string; readonly result: ItemResult }
	/** `line` from 1; `start` its first 200 characters. It names no item that can be told: whatever it stands for stays open. */
	| { readonly kind: "unreadable"; readonly line: number; readonly problem: string; readonly start: string };
