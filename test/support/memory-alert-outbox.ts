import type { AlertOutbox, ClaimedDelivery } from "#activities/alerts/port.ts";
import type { Alert } from "#domain/alerts/alert.ts";
import type { DeliveryStep } from "#domain/alerts/retry.ts";

/**
 * The outbox of migrations/0015 as a model: what is claimed, in which order, and what becomes of it. A test runs random histories
 * against both (alert-outbox-model.test.ts); the deliverer is tested on this one.
 */
export type RaisedAlert = {
	readonly key: string;
	readonly teamId: string;
	readonly subject: string;
	readonly kind: string;
	readonly isFiring: boolean;
	readonly resolves?: string;
};
export type ModelRoute = { readonly teamId: string; readonly channel: string; readonly kinds: readonly string[] };
type KnownAlert = RaisedAlert & { readonly seq: number; resolvedBy: string | null };
export type ModelDelivery = {
	readonly alert: KnownAlert;
	readonly channel: string;
	state: "waiting" | "delivered" | "dead" | "superseded";
	attempts: number;
	firstTriedAtMs: number | null;
	nextAttemptAtMs: number;
	busyUntilMs: number;
	mayHaveArrived: boolean;
};

export const MODEL_CLAIM_MS = 60_000;

export class MemoryAlertOutbox implements AlertOutbox {
	nowMs = 1_000_000;
	readonly routes: ModelRoute[];
	readonly alerts: KnownAlert[] = [];
	readonly deliveries: ModelDelivery[] = [];

	constructor(routes: readonly ModelRoute[]) {
		this.routes = [...routes];
	}

	/** False: the key is known. */
	raise(raised: RaisedAlert): boolean {
		if (this.alerts.some(({ key }) => key === raised.key)) return false;
		const alert: KnownAlert = { ...raised, seq: this.alerts.length + 1, resolvedBy: null };
		const ended = raised.isFiring ? [] : this.alerts.filter((known) => this.isEndedBy(known, raised));
		for (const known of ended) known.resolvedBy = raised.key;
		this.alerts.push(alert);
		const routed = this.routes.filter(
			({ teamId, kinds }) => [raised.teamId, "@organization"].includes(teamId) && (kinds.length === 0 || kinds.includes(raised.kind)),
		);
		const told = this.deliveries.filter((delivery) => ended.includes(delivery.alert));
		for (const channel of new Set([...routed, ...told].map((place) => place.channel)))
			this.deliveries.push({
				alert,
				channel,
				state: "waiting",
				attempts: 0,
				firstTriedAtMs: null,
				nextAttemptAtMs: this.nowMs,
				busyUntilMs: Number.NEGATIVE_INFINITY,
				mayHaveArrived: false,
			});
		return true;
	}

	async claim(limit: number): Promise<readonly ClaimedDelivery[]> {
		const channels = [...new Set(this.deliveries.map(({ channel }) => channel))].sort();
		return channels.flatMap((channel) => {
			const underWay = this.deliveries.filter((delivery) => delivery.channel === channel && this.isBusy(delivery)).length;
			const due = this.deliveries.filter((delivery) => delivery.channel === channel && this.isDue(delivery)).slice(0, Math.max(0, limit - underWay));
			return due.map((delivery) => this.claimOne(delivery));
		});
	}

	async finish({ alertSeq, channelName, attempt, mayHaveArrived: mayHaveBefore }: ClaimedDelivery, step: DeliveryStep): Promise<boolean> {
		const delivery = this.find(Number(alertSeq), channelName);
		if (delivery.state !== "waiting" || (step.kind !== "delivered" && delivery.attempts !== attempt)) return false;
		delivery.busyUntilMs = Number.NEGATIVE_INFINITY;
		delivery.mayHaveArrived = step.kind !== "delivered" && (mayHaveBefore || step.mayHaveArrived);
		delivery.state = step.kind === "retry" ? "waiting" : step.kind;
		delivery.nextAttemptAtMs = this.nowMs + (step.kind === "retry" ? step.afterMs : 0);
		return true;
	}

	/** As tollgate.retry_dead_alerts. */
	retryDead(): number {
		let waiting = 0;
		for (const delivery of this.deliveries.filter(({ state }) => state === "dead")) {
			const { resolvedBy } = delivery.alert;
			const isOver = this.deliveries.some((end) => end.alert.key === resolvedBy && end.channel === delivery.channel && end.state === "delivered");
			Object.assign(delivery, { state: isOver ? "superseded" : "waiting", attempts: 0, firstTriedAtMs: null, nextAttemptAtMs: this.nowMs });
			if (!isOver) waiting++;
		}
		return waiting;
	}

	async claimResends() {
		return [];
	}

	async finishResend(): Promise<void> {}

	private isEndedBy(known: KnownAlert, end: RaisedAlert): boolean {
		if (!known.isFiring || known.resolvedBy !== null || known.teamId !== end.teamId || known.subject !== end.subject) return false;
		return end.resolves === undefined ? known.kind === end.kind : known.key === end.resolves;
	}

	private isBusy({ state, busyUntilMs }: ModelDelivery): boolean {
		return state === "waiting" && busyUntilMs > this.nowMs;
	}

	private isDue(delivery: ModelDelivery): boolean {
		const { alert, channel, state, nextAttemptAtMs } = delivery;
		if (state !== "waiting" || nextAttemptAtMs > this.nowMs || this.isBusy(delivery)) return false;
		return !this.deliveries.some(
			(earlier) =>
				earlier.channel === channel &&
				earlier.state === "waiting" &&
				earlier.alert.seq < alert.seq &&
				earlier.alert.teamId === alert.teamId &&
				earlier.alert.subject === alert.subject,
		);
	}

	private claimOne(delivery: ModelDelivery): ClaimedDelivery {
		const { mayHaveArrived, alert, channel } = delivery;
		delivery.attempts++;
		delivery.busyUntilMs = this.nowMs + MODEL_CLAIM_MS;
		delivery.firstTriedAtMs ??= this.nowMs;
		delivery.mayHaveArrived = true;
		return {
			alertSeq: String(alert.seq),
			alert: toAlert(alert),
			channelName: channel,
			channelKind: "webhook",
			channelConfig: {},
			attempt: delivery.attempts,
			triedForMs: this.nowMs - delivery.firstTriedAtMs,
			mayHaveArrived,
		};
	}

	private find(seq: number, channel: string): ModelDelivery {
		const delivery = this.deliveries.find((known) => known.alert.seq === seq && known.channel === channel);
		if (delivery === undefined) throw new Error(`no delivery of ${seq} to ${channel}`);
		return delivery;
	}
}

function toAlert({ key, teamId, subject, kind, isFiring }: KnownAlert): Alert {
	return { id: key, atMs: 0, teamId, subject, kind, severity: "info", isFiring, ends: [], detail: {} };
}
