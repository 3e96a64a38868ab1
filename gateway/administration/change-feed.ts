import { PassThrough, type Readable } from "node:stream";
import { CHANGE_TOPICS, type ChangeMark, type ChangeMarks, changedMarks, readChangeMarks } from "#activities/administration/change-marks.ts";
import { liveSecrets } from "#activities/administration/live-secrets.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { Caller } from "./caller.ts";

const LOOK_MS = 1_000;
/** A comment goes out this often, and whoever may no longer listen is found. */
const BEAT_MS = 15_000;
const LISTENERS_MAX = 200;
const LISTENERS_OF_ONE_MAX = 20;
/** Of one that does not read on: it is closed, and comes again. */
const UNREAD_BYTES_MAX = 64 * 1024;

type Listener = { readonly caller: Caller; readonly stream: PassThrough; eventId: number };

export type ChangeFeedOptions = {
	readonly database: Queryable;
	/** Told why a look failed; the next one comes a second later, and tells what it missed. */
	readonly onProblem: (error: unknown) => void;
	/** Default 1,000 and 15,000 ms. */
	readonly lookMs?: number | undefined;
	readonly beatMs?: number | undefined;
};

/**
 * Tells open pages that something has changed: one look a second at marks in PostgreSQL for all who listen, and none while nobody does. No figure is in it:
 * whoever hears of a change asks, with his own rights.
 */
export class ChangeFeed {
	readonly #options: ChangeFeedOptions;
	readonly #listeners = new Set<Listener>();
	#marks: ChangeMarks | undefined;
	#looking: NodeJS.Timeout | undefined;
	#beating: NodeJS.Timeout | undefined;
	#isClosed = false;

	constructor(options: ChangeFeedOptions) {
		this.#options = options;
	}

	/**
	 * Server-sent events for one caller, from now on: what changes after this resolves is told. One that comes again, with the id it heard last, is told that
	 * everything may have changed. @throws CostControlError "gateway.overloaded" with too many already.
	 */
	async listen(caller: Caller, { lastEventId }: { readonly lastEventId: string | undefined }): Promise<Readable> {
		const own = [...this.#listeners].filter(({ caller: { secret } }) => secret === caller.secret).length;
		if (this.#isClosed || this.#listeners.size >= LISTENERS_MAX || own >= LISTENERS_OF_ONE_MAX)
			throw new CostControlError("gateway.overloaded", "Too many pages listen for changes already. Close some, or load this one again later.");
		const listener: Listener = { caller, stream: new PassThrough(), eventId: 0 };
		this.#listeners.add(listener);
		listener.stream.on("close", () => this.#forget(listener));
		listener.stream.on("error", () => this.#forget(listener));
		try {
			const first = this.#marks ?? (await readChangeMarks(this.#options.database, undefined));
			if (this.#listeners.has(listener)) this.#marks ??= first;
		} catch (error) {
			listener.stream.destroy();
			throw error;
		}
		listener.stream.write("id: 0\n: listening\n\n");
		if (lastEventId !== undefined) this.#tell(listener, CHANGE_TOPICS);
		this.#start();
		return listener.stream;
	}

	/** Ends what this key or session listens to. */
	close(secret: string): void {
		for (const listener of this.#listeners) if (listener.caller.secret === secret) this.#end(listener);
	}

	closeAll(): void {
		this.#isClosed = true;
		for (const listener of this.#listeners) this.#end(listener);
	}

	#start(): void {
		if (this.#listeners.size === 0) return;
		this.#looking ??= setTimeout(() => void this.#look(), this.#options.lookMs ?? LOOK_MS);
		this.#beating ??= setTimeout(() => void this.#beat(), this.#options.beatMs ?? BEAT_MS);
	}

	async #look(): Promise<void> {
		const [own, before] = [this.#looking, this.#marks];
		try {
			const after = await readChangeMarks(this.#options.database, before);
			// Everybody left meanwhile, and whoever came since looks for himself.
			if (this.#looking !== own) return;
			this.#marks = after;
			const changed = before === undefined ? [] : changedMarks(before, after);
			for (const listener of this.#listeners) this.#tell(listener, topicsFor(listener.caller, changed));
		} catch (error) {
			this.#options.onProblem(error);
		}
		if (this.#looking !== own) return;
		this.#looking = undefined;
		this.#start();
	}

	async #beat(): Promise<void> {
		const own = this.#beating;
		try {
			// Whoever comes meanwhile was let in a moment ago.
			const asked = [...this.#listeners];
			const live = await liveSecrets(
				this.#options.database,
				asked.map(({ caller }) => caller.secret),
			);
			for (const listener of asked)
				if (live.has(listener.caller.secret)) listener.stream.write(": still here\n\n");
				else this.#end(listener);
		} catch (error) {
			this.#options.onProblem(error);
		}
		if (this.#beating !== own) return;
		this.#beating = undefined;
		this.#start();
	}

	#tell(listener: Listener, topics: readonly string[]): void {
		if (topics.length === 0) return;
		if (listener.stream.writableLength + listener.stream.readableLength > UNREAD_BYTES_MAX) return this.#end(listener);
		listener.eventId += 1;
		listener.stream.write(`id: ${listener.eventId}\nevent: changed\ndata: ${JSON.stringify({ topics })}\n\n`);
	}

	#end(listener: Listener): void {
		this.#forget(listener);
		listener.stream.end();
	}

	/** With the last one, looking ends too. */
	#forget(listener: Listener): void {
		this.#listeners.delete(listener);
		if (this.#listeners.size > 0) return;
		clearTimeout(this.#looking);
		clearTimeout(this.#beating);
		this.#looking = undefined;
		this.#beating = undefined;
		this.#marks = undefined;
	}
}

/** Of everybody, or of one of his teams. */
export function topicsFor({ teamIds }: Pick<Caller, "teamIds">, changed: readonly ChangeMark[]): readonly string[] {
	const told = changed.filter(({ teamId }) => teamIds === null || teamId === null || teamIds.includes(teamId));
	return CHANGE_TOPICS.filter((topic) => told.some((mark) => mark.topic === topic));
}
