import { z } from "zod";
import { ALERT_CHANNEL_KINDS } from "#domain/alerts/channel.ts";
import { ALERT_KINDS } from "#domain/alerts/kinds.ts";

/** Requests and answers of the routes of `/admin/v1` that are about alerts. As in administration-contract.ts. */
const time = z.string().describe("ISO 8601, UTC");

export const AlertDelivery = z.object({
	channel: z.string(),
	state: z.enum(["waiting", "delivered", "dead", "superseded"]).describe("superseded: nothing was left to tell, the channel is gone or knew of the end"),
	attempts: z.int(),
	nextAttemptAt: time.nullable(),
	lastError: z.string().nullable(),
	answer: z.string().nullable().describe("what the receiver said when it took it"),
	endedAt: time.nullable(),
	acknowledgedBy: z.string().nullable(),
});
export const Alert = z.object({
	id: z.string().describe("stable: the same however often it is sent"),
	at: time,
	teamId: z.string().describe('"@organization" for what belongs to no team'),
	subject: z.string().describe("key of a budget, gateway and epoch, or empty; the order is kept within team and subject"),
	kind: z.string(),
	severity: z.enum(["info", "warning", "error", "critical"]),
	status: z.enum(["firing", "ended", "over", "notice"]).describe("firing lasts, ended fired before, over is such an end, notice only happened"),
	endedAt: time.nullable(),
	title: z.string(),
	runbook: z.string().describe("page of the project that says what to do"),
	detail: z.record(z.string(), z.unknown()),
	deliveries: z.array(AlertDelivery).describe("empty: no route took it"),
});
export const AlertList = z.object({ alerts: z.array(Alert) });
export const RetriedAlerts = z.object({ waiting: z.int().describe("deliveries that wait again") });

const channelFields = {
	kind: z.enum(ALERT_CHANNEL_KINDS),
	url: z.string().optional().describe("of alertmanager, webhook, and a pagerduty that is not the public one; no secret"),
	urlEnv: z.string().optional().describe("variable of the worker that holds the URL"),
	urlFile: z.string().optional().describe("file that holds it, an absolute path"),
	routingKeyEnv: z.string().optional().describe("of pagerduty"),
	routingKeyFile: z.string().optional(),
	secretEnv: z.string().optional().describe("of webhook: whsec_…, which signs it"),
	secretFile: z.string().optional(),
	allowPrivate: z.boolean().optional().describe("may be delivered to a private address, and over http; default false"),
};
/** Open: what is no field of a channel is named by the check itself, with all other mistakes. */
export const SetAlertChannelRequest = z.looseObject({ ...channelFields, kind: z.string().describe(ALERT_CHANNEL_KINDS.join(", ")) }).partial();
export const AlertChannel = z.object({ name: z.string(), ...channelFields });
export const AlertRoute = z.object({ teamId: z.string(), channel: z.string(), kinds: z.array(z.string()).describe("empty = all") });
export const AlertChannelList = z.object({ channels: z.array(AlertChannel), routes: z.array(AlertRoute) });
export const SetAlertRoutesRequest = z.strictObject({
	teamId: z.string().min(1).max(64).describe('"@organization" is told of every team'),
	routes: z
		.array(
			z.looseObject({
				channel: z.string(),
				kinds: z
					.array(z.string())
					.optional()
					.describe(`empty or absent = all; ${ALERT_KINDS.join(", ")}`),
			}),
		)
		.max(100),
});
export const AlertRouteList = z.object({ routes: z.array(AlertRoute) });
export const ChannelTest = z.object({ isDelivered: z.boolean(), said: z.string().describe("what the receiver answered, or why nothing came back") });
