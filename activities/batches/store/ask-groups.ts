import { assert } from "#domain/assert.ts";

/** What a failure says: of one item itself; that it took too long, for one or for all; or that nobody can be asked. */
export type Fault = "item" | "time" | "outage";

export type AskGroupsOptions<Item, Reply> = {
	/** Items with the same are asked for together. */
	readonly lineOf: (item: Item) => string;
	/** No two with the same stand in one group: the second asks when the first is answered. */
	readonly idOf: (item: Item) => string;
	/** Answers each, in their order, or fails for all of them. */
	readonly ask: (items: readonly Item[]) => Promise<readonly Reply[]>;
	readonly faultOf: (error: unknown) => Fault;
	readonly sizeMax: number;
};

type Asker<Item, Reply> = { readonly item: Item; readonly resolve: (reply: Reply) => void; readonly reject: (error: unknown) => void };

/**
 * Asks for one at once, and for those who come meanwhile together as soon as it is answered: nobody waits for company. What fails for a group is asked for
 * one by one, so that nobody has another's fault; only where the same befalls all is it told to all.
 */
export class AskGroups<Item, Reply> {
	readonly #options: AskGroupsOptions<Item, Reply>;
	/** A line that is there has a group under way. */
	readonly #lines = new Map<string, Asker<Item, Reply>[]>();

	constructor(options: AskGroupsOptions<Item, Reply>) {
		this.#options = options;
	}

	ask(item: Item): Promise<Reply> {
		return new Promise((resolve, reject) => {
			const name = this.#options.lineOf(item);
			const line = this.#lines.get(name) ?? [];
			line.push({ item, resolve, reject });
			if (this.#lines.has(name)) return;
			this.#lines.set(name, line);
			void this.#serve(name, line);
		});
	}

	async #serve(name: string, line: Asker<Item, Reply>[]): Promise<void> {
		while (line.length > 0) await this.#askTogether(this.#takeGroup(line));
		this.#lines.delete(name);
	}

	#takeGroup(line: Asker<Item, Reply>[]): readonly Asker<Item, Reply>[] {
		const first = line.splice(0, this.#options.sizeMax);
		const group = new Map<string, Asker<Item, Reply>>();
		const later = first.filter((asker) => {
			const id = this.#options.idOf(asker.item);
			if (group.has(id)) return true;
			group.set(id, asker);
			return false;
		});
		line.unshift(...later);
		return [...group.values()];
	}

	async #askTogether(group: readonly Asker<Item, Reply>[]): Promise<void> {
		try {
			const replies = await this.#options.ask(group.map(({ item }) => item));
			assert(replies.length === group.length, "a group is answered item by item");
			for (const [place, { resolve }] of group.entries()) resolve(replies[place] as Reply);
		} catch (error) {
			if (group.length === 1 || this.#options.faultOf(error) === "outage") for (const { reject } of group) reject(error);
			else await this.#askSingly(group);
		}
	}

	/** When a second one takes too long as well, so would the others: they are told at once. */
	async #askSingly(group: readonly Asker<Item, Reply>[]): Promise<void> {
		let tooLong = 0;
		for (const [place, { item, resolve, reject }] of group.entries()) {
			try {
				const [reply] = await this.#options.ask([item]);
				resolve(reply as Reply);
			} catch (error) {
				reject(error);
				const fault = this.#options.faultOf(error);
				if (fault === "time") tooLong += 1;
				if (fault !== "outage" && tooLong < 2) continue;
				for (const other of group.slice(place + 1)) other.reject(error);
				return;
			}
		}
	}
}
