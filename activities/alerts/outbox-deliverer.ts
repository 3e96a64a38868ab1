import { setTimeout as delay } from "node:timers/promises";
import { type DeliveryStep, decideDelivery, type SendOutcome } from "#domain/alerts/retry.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** What is claimed of an outbox, however it is sent. */
export type Claimed = {
	/** Counts from 1. */
	readonly attempt: number;
	readonly triedForMs: number;
};

/**
 * What waits to be sent, kept by PostgreSQL. A delivery is claimed, sent, and its step recorded, each in a statement of its own: nothing is locked
 * while a receiver is waited for. Throws "authority.unreachable" while PostgreSQL is away.
 */
export type Outbox<Delivery extends Claimed> = {
	/** What may be sent now, so that at most `limit` are under way per channel. */
	claim(limit: number): Promise<readonly Delivery[]>;
	/** false = another try has said it before. */
	finish(delivery: Delivery, step: DeliveryStep): Promise<boolean>;
};

export type OutboxOptions<Delivery extends Claimed> = {
	readonly outbox: Outbox<Delivery>;
	readonly send: (delivery: Delivery) => Promise<SendOutcome>;
	readonly observer: OutboxObserver<Delivery>;
	/** In [0, 1); spreads retries. */
	readonly random: () => number;
	/** Pause between two looks where nothing wakes it. Default 1,000 ms. */
	readonly intervalMs?: number | undefined;
	/** Default: a day. */
	readonly giveUpAfterMs?: number | undefined;
	/** Further work of a look, begun and not waited for. */
	readonly alongside?: () => Promise<readonly Promise<void>[]>;
};

/** What a deliverer tells its process. Nothing of it holds a secret. */
export type OutboxObserver<Delivery extends Claimed> = {
	tried(delivery: Delivery, step: DeliveryStep): void;
	/** A look failed; it is tried again all the same. */
	failed(error: unknown): void;
	/** PostgreSQL went away or came back. */
	reachabilityChanged(isReachable: boolean, cause: unknown): void;
};

/** Under way at once in one channel, of all workers: a receiver that hangs holds up nobody else. */
const UNDER_WAY_PER_CHANNEL = 8;
const RECORD_RETRY_MS = 500;

/**
 * Brings what waits in an outbox to its channels: claim, send, record. Any number of workers may do it at once. A worker that dies in between leaves a
 * claim that runs out; what it had claimed then goes out again under its id. Nothing here is waited for by anybody else.
 */
export class OutboxDeliverer<Delivery extends Claimed> {
	private readonly options: OutboxOptions<Delivery>;
	private readonly sending = new Set<Promise<void>>();
	private isReachable = true;
	private isStopped = false;
	private wakeUp: (() => void) | undefined;
	private isWoken = false;
	private running: Promise<void> = Promise.resolve();

	constructor(options: OutboxOptions<Delivery>) {
		this.options = options;
	}

	start(): void {
		this.running = this.run();
	}

	/** Something is to be sent: looks at once. */
	wake(): void {
		this.isWoken = true;
		this.wakeUp?.();
	}

	/** Resolves when what is under way has been recorded. */
	async stop(): Promise<void> {
		this.isStopped = true;
		this.wake();
		await this.running;
		await Promise.all(this.sending);
	}

	/** One look: claims what is due and begins to send it. Resolves with how much that was, before it is sent. */
	async look(): Promise<number> {
		const deliveries = await this.options.outbox.claim(UNDER_WAY_PER_CHANNEL);
		for (const delivery of deliveries) this.begin(this.deliver(delivery));
		for (const work of (await this.options.alongside?.()) ?? []) this.begin(work);
		return deliveries.length;
	}

	/** What is under way is sent and recorded. */
	async settled(): Promise<void> {
		while (this.sending.size > 0) await Promise.all(this.sending);
	}

	private async run(): Promise<void> {
		while (!this.isStopped) {
			this.isWoken = false;
			try {
				await this.look();
				this.changeReachability(true, undefined);
			} catch (error) {
				if (error instanceof CostControlError && error.isRetryable) this.changeReachability(false, error);
				else this.options.observer.failed(error);
			}
			if (!this.isWoken) await this.pause();
		}
	}

	private pause(): Promise<void> {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, this.options.intervalMs ?? 1_000);
			this.wakeUp = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	private begin(work: Promise<void>): void {
		const tracked = work.catch((error: unknown) => this.options.observer.failed(error)).finally(() => this.sending.delete(tracked));
		this.sending.add(tracked);
	}

	private async deliver(delivery: Delivery): Promise<void> {
		const { attempt, triedForMs } = delivery;
		const outcome = await this.options.send(delivery);
		const step = decideDelivery(outcome, { attempt, triedForMs, random: this.options.random(), giveUpAfterMs: this.options.giveUpAfterMs });
		if (await this.record(delivery, step)) this.options.observer.tried(delivery, step);
		// What waited for this one may go.
		if (step.kind !== "retry") this.wake();
	}

	/**
	 * With PostgreSQL away what became of a try is kept until it is back; otherwise it would go out again. Where this process ends before
	 * that, it does go out again, under its id.
	 */
	private async record(delivery: Delivery, step: DeliveryStep): Promise<boolean> {
		for (;;) {
			try {
				return await this.options.outbox.finish(delivery, step);
			} catch (error) {
				const isOutage = error instanceof CostControlError && error.isRetryable;
				if (!isOutage || this.isStopped) throw error;
				await delay(RECORD_RETRY_MS);
			}
		}
	}

	private changeReachability(isReachable: boolean, cause: unknown): void {
		if (this.isReachable === isReachable) return;
		this.isReachable = isReachable;
		this.options.observer.reachabilityChanged(isReachable, cause);
	}
}
