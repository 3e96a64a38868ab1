import { setTimeout as delay } from "node:timers/promises";
import { type DeliveryStep, decideDelivery, type SendOutcome } from "#domain/alerts/retry.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { AlertOutbox, ClaimedDelivery, ClaimedResend } from "./port.ts";
import type { AlertSender } from "./sender.ts";

/**
 * Brings alerts from the outbox to their channels: claim, send, record. Any number of workers may do it at once. A worker that dies in
 * between leaves a claim that runs out; the alert then goes out again under its id. Nothing here is waited for by anybody else:
 * neither money nor the team workflows know that it exists.
 */
export type DelivererOptions = {
	readonly outbox: AlertOutbox;
	readonly sender: AlertSender;
	readonly observer: DelivererObserver;
	/** In [0, 1); spreads retries. */
	readonly random: () => number;
	/** Pause between two looks where nothing wakes it. Default 1,000 ms. */
	readonly intervalMs?: number;
};

/** What the deliverer tells its process. Nothing of it holds a secret. */
export type DelivererObserver = {
	tried(delivery: ClaimedDelivery, step: DeliveryStep): void;
	/** What fires was told again, or could not be: it is in a minute. */
	resent(resend: ClaimedResend, outcome: SendOutcome): void;
	/** A look failed; it is tried again all the same. */
	failed(error: unknown): void;
	/** PostgreSQL went away or came back. */
	reachabilityChanged(isReachable: boolean, cause: unknown): void;
};

/** Under way at once in one channel, of all workers: a receiver that hangs holds up nobody else. */
const UNDER_WAY_PER_CHANNEL = 8;
const RECORD_RETRY_MS = 500;

export class AlertDeliverer {
	private readonly options: DelivererOptions;
	private readonly sending = new Set<Promise<void>>();
	private isReachable = true;
	private isStopped = false;
	private wakeUp: (() => void) | undefined;
	private isWoken = false;
	private running: Promise<void> = Promise.resolve();

	constructor(options: DelivererOptions) {
		this.options = options;
	}

	start(): void {
		this.running = this.run();
	}

	/** An alert was made: looks at once. */
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
		const resends = await this.options.outbox.claimResends();
		for (const resend of resends) this.begin(this.resend(resend));
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

	private async deliver(delivery: ClaimedDelivery): Promise<void> {
		const { channelKind: kind, channelConfig: config, alert, mayHaveArrived, attempt, triedForMs } = delivery;
		const outcome = await this.options.sender.send({ kind, config }, alert, { mayHaveArrived });
		const step = decideDelivery(outcome, { attempt, triedForMs, random: this.options.random() });
		if (await this.record(delivery, step)) this.options.observer.tried(delivery, step);
		// What waited for this one may go.
		if (step.kind !== "retry") this.wake();
	}

	/**
	 * With PostgreSQL away what became of a try is kept until it is back; otherwise it would go out again. Where this process ends before
	 * that, the alert does go out again, under its id.
	 */
	private async record(delivery: ClaimedDelivery, step: DeliveryStep): Promise<boolean> {
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

	private async resend(resend: ClaimedResend): Promise<void> {
		const { channelName, channelKind: kind, channelConfig: config, alerts } = resend;
		try {
			this.options.observer.resent(resend, await this.options.sender.resend({ kind, config }, alerts));
		} finally {
			await this.options.outbox.finishResend(channelName);
		}
	}

	private changeReachability(isReachable: boolean, cause: unknown): void {
		if (this.isReachable === isReachable) return;
		this.isReachable = isReachable;
		this.options.observer.reachabilityChanged(isReachable, cause);
	}
}
