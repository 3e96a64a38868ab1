import { z } from "zod";
import { listAlertChannels, removeAlertChannel, setAlertChannel, setAlertRoutes, testAlertChannel } from "#activities/administration/alert-channels.ts";
import { acknowledgeAlert, listAlerts, readAlert, retryDeadAlerts } from "#activities/administration/alerts.ts";
import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { teamsOfAlert } from "#activities/administration/teams-of.ts";
import { Done } from "#clients/administration-contract.ts";
import * as contract from "#clients/alert-contract.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { mergeLists, ofQuery, operators, owned, readers } from "./access.ts";
import { defineRoute, type Route } from "./route.ts";

const ALERT = owned("alertId", teamsOfAlert);

const flag = z.enum(["true", "false"]).optional();

const alerts: readonly Route[] = [
	defineRoute("GET /alerts", {
		operationId: "listAlerts",
		access: readers(ofQuery(mergeLists("alerts", { field: "at", isDescending: true }))),
		summary: "Alerts and their deliveries, the newest first",
		query: z.strictObject({ teamId: z.string().optional(), firing: flag, dead: flag, limit: z.coerce.number().int().min(1).max(1_000).default(50) }),
		answer: contract.AlertList,
		handle: async ({ database }, { query }) => {
			if (query.teamId !== ORGANIZATION_ID) await requireKnownTeam(database, query.teamId);
			const found = await listAlerts(database, { ...query, isFiring: query.firing === "true", isDead: query.dead === "true" });
			return { alerts: found.map(copy) };
		},
	}),
	defineRoute("GET /alerts/{alertId}", {
		operationId: "readAlert",
		access: readers(ALERT),
		summary: "One alert: what it said, where it went and what the receivers answered",
		answer: contract.Alert,
		handle: async ({ database }, { params }) => copy(await readAlert(database, params["alertId"] ?? "")),
	}),
	defineRoute("POST /alerts/{alertId}/retry", {
		operationId: "retryAlert",
		access: operators(ALERT),
		summary: "Send again what of an alert was given up",
		answer: contract.RetriedAlerts,
		handle: async ({ database }, { params }) => ({ waiting: await retryDeadAlerts(database, params["alertId"] ?? "") }),
	}),
	defineRoute("POST /alerts/retry-dead", {
		operationId: "retryDeadAlerts",
		access: operators(),
		summary: "Send again everything that was given up",
		answer: contract.RetriedAlerts,
		handle: async ({ database }) => ({ waiting: await retryDeadAlerts(database, undefined) }),
	}),
	defineRoute("POST /alerts/{alertId}/acknowledge", {
		operationId: "acknowledgeAlert",
		access: operators(ALERT),
		summary: "Say that somebody knows it was not delivered",
		answer: contract.Alert,
		handle: async ({ database, adminName }, { params }) => copy(await acknowledgeAlert(database, params["alertId"] ?? "", adminName)),
	}),
];

const channels: readonly Route[] = [
	defineRoute("GET /alert-channels", {
		operationId: "listAlertChannels",
		access: readers(null),
		summary: "Channels and routes of alerts, without secrets",
		answer: contract.AlertChannelList,
		handle: async ({ database }) => {
			const { channels: found, routes } = await listAlertChannels(database);
			return { channels: found, routes: routes.map((route) => ({ ...route, kinds: [...route.kinds] })) };
		},
	}),
	defineRoute("PUT /alert-channels/{name}", {
		operationId: "setAlertChannel",
		access: operators(),
		summary: "Make an alert channel, or set it anew",
		body: contract.SetAlertChannelRequest,
		answer: contract.AlertChannel,
		handle: ({ database, adminName, keptPlaceProblem }, { params, body }) =>
			setAlertChannel(database, { name: params["name"] ?? "", channel: body, keptPlaceProblem }, adminName),
	}),
	defineRoute("DELETE /alert-channels/{name}", {
		operationId: "removeAlertChannel",
		access: operators(),
		summary: "End an alert channel that no route names; what waits for it is not told",
		answer: Done,
		handle: async ({ database, adminName }, { params }) => {
			await removeAlertChannel(database, params["name"] ?? "", adminName);
			return { done: true } as const;
		},
	}),
	defineRoute("POST /alert-channels/{name}/test", {
		operationId: "testAlertChannel",
		access: operators(),
		summary: "Send a test alert now; answers what the receiver said",
		answer: contract.ChannelTest,
		handle: ({ database, adminName, alertSender }, { params }) => testAlertChannel(database, alertSender, params["name"] ?? "", adminName),
	}),
	defineRoute("PUT /alert-routes", {
		operationId: "setAlertRoutes",
		access: operators(),
		summary: "Set which alerts of a team go where, as a whole",
		body: contract.SetAlertRoutesRequest,
		answer: contract.AlertRouteList,
		handle: async ({ database, adminName }, { body }) => {
			const routes = await setAlertRoutes(database, body, adminName);
			return { routes: routes.map((route) => ({ ...route, kinds: [...route.kinds] })) };
		},
	}),
];

function copy({ deliveries, ...alert }: Awaited<ReturnType<typeof readAlert>>): z.input<typeof contract.Alert> {
	return { ...alert, deliveries: [...deliveries] };
}

export const ALERT_ROUTES: readonly Route[] = [...alerts, ...channels];
