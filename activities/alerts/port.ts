import type { Alert } from "#domain/alerts/alert.ts";
import type { AlertChannel, SecretPlace } from "#domain/alerts/channel.ts";
import type { DeliveryStep, SendOutcome } from "#domain/alerts/retry.ts";

/** One alert on its way to one channel, claimed by this process until its claim runs out. */
export type ClaimedDelivery = {
	readonly alertSeq: string;
	readonly alert: Alert;
	readonly channelName: string;
	/** The row as it stands; whether it is a channel is judged when it is used. */
	readonly channelKind: string;
	readonly channelConfig: unknown;
	/** Counts from 1. */
	readonly attempt: number;
	readonly triedForMs: number;
	/** An earlier try was sent and its answer is not known: the receiver may have this alert already. */
	readonly mayHaveArrived: boolean;
};

/** What fires on a channel that forgets what is not told again. */
export type ClaimedResend = {
	readonly channelName: string;
	readonly channelKind: string;
	readonly channelConfig: unknown;
	readonly alerts: readonly Alert[];
};

/**
 * Alerts and their deliveries, kept by PostgreSQL. A delivery is claimed, sent, and its step recorded, each in a statement of its own:
 * nothing is locked while a receiver is waited for. Throws "authority.unreachable" while PostgreSQL is away.
 */
export type AlertOutbox = {
	/** What may be sent now: the oldest that waits for its team, subject and channel, so that at most `limit` are under way per channel. */
	claim(limit: number): Promise<readonly ClaimedDelivery[]>;
	/** false = another try has said it before. */
	finish(delivery: ClaimedDelivery, step: DeliveryStep): Promise<boolean>;
	claimResends(): Promise<readonly ClaimedResend[]>;
	finishResend(channelName: string): Promise<void>;
};

/** One way to tell people, of one kind of channel. */
export type ChannelSender = {
	/** One alert; sending it twice does no harm where the receiver knows the id. */
	send(channel: AlertChannel, alert: Alert, options: SendOptions): Promise<SendOutcome>;
	/** Says again what still fires; only channels that forget have it. */
	resend?(channel: AlertChannel, alerts: readonly Alert[]): Promise<SendOutcome>;
};

export type SendOptions = { readonly mayHaveArrived: boolean };

/** Reads a secret at the moment it is needed; what it returns is never kept. @throws SecretUnavailable */
export type SecretSource = (place: SecretPlace) => string;

/** The variable is not set, or the file cannot be read, or Tollgate keeps it for itself. The message names the place, never the content. */
export class SecretUnavailable extends Error {
	override readonly name = "SecretUnavailable";
}

export type HttpAnswer = { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>>; readonly body: string };

/** A request to a receiver: `body` is JSON text. Secrets may stand in `url` and `headers`. */
export type HttpPost = {
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
	readonly allowPrivate: boolean;
};

/** The address is not one that may be delivered to; nothing was sent. The message repeats nothing secret. */
export class AddressRefused extends Error {
	override readonly name = "AddressRefused";
}

/** No whole answer came. `mayHaveArrived` false: the request certainly never left. */
export class NoAnswer extends Error {
	override readonly name = "NoAnswer";
	readonly mayHaveArrived: boolean;

	constructor(message: string, mayHaveArrived: boolean) {
		super(message);
		this.mayHaveArrived = mayHaveArrived;
	}
}

/** One POST, bounded in time and answer, without redirects. @throws AddressRefused, NoAnswer */
export type HttpClient = { post(request: HttpPost): Promise<HttpAnswer>; close(): Promise<void> };
