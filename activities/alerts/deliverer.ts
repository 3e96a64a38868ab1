import type { SendOutcome } from "#domain/alerts/retry.ts";
import { OutboxDeliverer, type OutboxObserver } from "./outbox-deliverer.ts";
import type { AlertOutbox, ClaimedDelivery, ClaimedResend } from "./port.ts";
import type { AlertSender } from "./sender.ts";

/** Alerts on their way from the outbox to their channels. Neither money nor the team workflows know that it exists. */
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
export type DelivererObserver = OutboxObserver<ClaimedDelivery> & {
	/** What fires was told again, or could not be: it is in a minute. */
	resent(resend: ClaimedResend, outcome: SendOutcome): void;
};

export class AlertDeliverer extends OutboxDeliverer<ClaimedDelivery> {
	constructor({ outbox, sender, observer, random, intervalMs }: DelivererOptions) {
		super({
			...{ outbox, observer, random, intervalMs },
			send: ({ channelKind: kind, channelConfig: config, alert, mayHaveArrived }) => sender.send({ kind, config }, alert, { mayHaveArrived }),
			alongside: async () => (await outbox.claimResends()).map((resend) => resendAll(resend, { outbox, sender, observer })),
		});
	}
}

async function resendAll(resend: ClaimedResend, { outbox, sender, observer }: Pick<DelivererOptions, "outbox" | "sender" | "observer">): Promise<void> {
	const { channelName, channelKind: kind, channelConfig: config, alerts } = resend;
	try {
		observer.resent(resend, await sender.resend({ kind, config }, alerts));
	} finally {
		await outbox.finishResend(channelName);
	}
}
