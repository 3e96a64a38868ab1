import type { ItemResult } from "#domain/batching/item-result.ts";
import type { AnswerToDeliver } from "../deferred-port.ts";

/** A result that names an item which is to be answered, and one of its tries. */
export type FoundResult = { readonly item: AnswerToDeliver; readonly tryNumber: number; readonly result: ItemResult };

type Remembered = { readonly tryNumber: number; readonly result: Extract<ItemResult, { kind: "errored" }> };

/** Of all together; what comes beyond it is not remembered. */
const CHARACTERS_MAX = 8_000_000;

/**
 * What the provider said last of items that it refused for something that may pass, and that then were given up: nobody called them again, so there is
 * nothing else to tell. Of one that is charged nobody knows whether it ran, which an older error must not hide.
 */
export class LastErrors {
	readonly #byNumber = new Map<number, Remembered>();
	#characters = 0;

	note({ item, tryNumber, result }: FoundResult): void {
		if (item.outcome !== "errored" || item.isCharged || result.kind !== "errored" || tryNumber >= item.tryNumber) return;
		const before = this.#byNumber.get(item.n);
		const characters = this.#characters + result.body.length - (before?.result.body.length ?? 0);
		if ((before !== undefined && before.tryNumber > tryNumber) || characters > CHARACTERS_MAX) return;
		this.#characters = characters;
		this.#byNumber.set(item.n, { tryNumber, result });
	}

	/** undefined: there was none. */
	of({ n }: Pick<AnswerToDeliver, "n">): ItemResult | undefined {
		return this.#byNumber.get(n)?.result;
	}
}
