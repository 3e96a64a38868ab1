import type { Random } from "#test/faults/random.ts";
import type { CorpusEvent } from "./corpus-run.ts";
import { filePath, paragraph, SUBJECTS, sentence } from "./words.ts";

/** Writes the events of one run, and what its calls cost. */
export class Trace {
	readonly events: CorpusEvent[] = [];
	readonly random: Random;
	/** Some runs send their whole conversation with every call, others begin each call afresh. */
	private readonly addsUp: boolean;
	private readonly priceNanoUsd: number;
	private context: number;
	private decreases = 0;

	constructor(random: Random, { addsUp = random.share() < 0.6 } = {}) {
		this.random = random;
		this.addsUp = addsUp;
		this.priceNanoUsd = random.integer(150, 5_000);
		this.context = random.integer(600, 6_000);
	}

	/** Its context has gone up and down so far, as that of a run whose calls begin afresh does. */
	get hasVaried(): boolean {
		return this.decreases >= Math.max(2, this.length / 4);
	}

	get length(): number {
		return this.events.length;
	}

	add(tool: string, args: unknown, observation: string | null, { isError = false, tokens }: { isError?: boolean; tokens?: number } = {}): void {
		const content = Math.ceil((JSON.stringify(args).length + (observation?.length ?? 0)) / 4) + this.random.integer(20, 160);
		this.context += content;
		const counted = tokens ?? (this.addsUp ? this.context : this.random.integer(400, 1_600) + content);
		if (counted < (this.events.at(-1)?.tokens ?? 0)) this.decreases += 1;
		this.events.push({ tool, args, observation, isError, costNanoUsd: String(counted * this.priceNanoUsd), tokens: counted });
	}

	/** Work that gets somewhere, as runs begin. */
	productive(steps: number): void {
		const { random } = this;
		for (let step = 0; step < steps; step += 1) {
			const kind = random.integer(0, 3);
			if (kind === 0) this.add("read_file", { path: filePath(random, random.integer(1, 900)) }, paragraph(random, random.integer(2, 8)));
			else if (kind === 1) this.add("search", { query: `${random.pick(SUBJECTS)} ${sentence(random)}` }, paragraph(random, random.integer(1, 5)));
			else if (kind === 2) this.add("list_directory", { path: filePath(random, step) }, sentence(random).split(" ").join("\n"));
			else this.add("write_file", { path: filePath(random, random.integer(1, 900)), content: paragraph(random, 2) }, "ok");
		}
	}
}
