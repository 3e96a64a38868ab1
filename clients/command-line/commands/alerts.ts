import type { Command } from "commander";
import type { Alert } from "../../alert-client.ts";
import { addCommand, addGroup } from "../command.ts";
import { CommandFailure, cell, type Terminal, table } from "../output.ts";
import { someText, wholeNumber } from "../values.ts";

type ListOptions = { team?: string; firing?: true; dead?: true; limit?: string };
type RetryOptions = { allDead?: true };
type ChannelOptions = {
	kind?: string;
	url?: string;
	urlEnv?: string;
	urlFile?: string;
	routingKeyEnv?: string;
	routingKeyFile?: string;
	secretEnv?: string;
	secretFile?: string;
	allowPrivate?: true;
};
type RouteOptions = { team?: string; organization?: true; to?: string; kinds?: string };

export function addAlertCommands(program: Command, terminal: Terminal): void {
	const alerts = addGroup(program, "alerts", {
		summary: "what people were told, and where it went: list, show, retry, acknowledge, test, channels, channel, route",
		example: "npx tollgate alerts --firing",
	});
	addReading(alerts, terminal);
	addDeadLetters(alerts, terminal);
	addChannels(alerts, terminal);
}

function addReading(alerts: Command, terminal: Terminal): void {
	addCommand<ListOptions>(alerts, terminal, {
		usage: "list",
		isDefault: true,
		summary: "alerts and where they went, the newest first; `tollgate alerts` alone does the same",
		example: "npx tollgate alerts list --team search --firing",
		options: {
			"--team <TEAM>": ["alerts of one team", someText],
			"--firing": "only what fires now",
			"--dead": "only what could not be delivered and nobody has acknowledged",
			"--limit <N>": ["how many, 1 to 1000; default 50", wholeNumber(1, 1_000)],
		},
		run: async ({ system, print, options }) => {
			const found = await system().alerts.list({
				teamId: options.team,
				isFiring: options.firing === true,
				isDead: options.dead === true,
				limit: options.limit === undefined ? undefined : Number(options.limit),
			});
			print(found, table(["ALERT", "AT", "STATE", "SEVERITY", "TEAM", "WHAT", "DELIVERIES"], found.map(rowOf)));
		},
	});
	addCommand(alerts, terminal, {
		usage: "show <ALERT_ID>",
		summary: "one alert: what it said, where it went and what the receivers answered",
		example: "npx tollgate alerts show alr_0123456789abcdef01234567",
		run: async ({ system, print, arguments: [alertId = ""] }) => {
			const alert = await system().alerts.read(alertId);
			const known = Object.entries(alert.detail).map(([name, value]) => `  ${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
			const deliveries = alert.deliveries.map((delivery) => [
				delivery.channel,
				delivery.acknowledgedBy === null ? delivery.state : `${delivery.state}, acknowledged by ${delivery.acknowledgedBy}`,
				String(delivery.attempts),
				cell(delivery.endedAt ?? delivery.nextAttemptAt),
				cell(delivery.state === "delivered" ? delivery.answer : delivery.lastError),
			]);
			const head = [
				`${alert.title}.`,
				`${alert.kind}, ${alert.severity}, ${alert.status}, ${alert.at}${alert.endedAt === null ? "" : ` to ${alert.endedAt}`}`,
				`What to do: ${alert.runbook}`,
			];
			print(alert, [...head, ...known, "", table(["CHANNEL", "STATE", "TRIES", "AT", "SAID"], deliveries)].join("\n"));
		},
	});
}

function rowOf(alert: Alert): string[] {
	const places = alert.deliveries.map(({ channel, state }) => `${channel} ${state}`);
	return [alert.id, alert.at, alert.status, alert.severity, alert.teamId, alert.title, places.length === 0 ? "no route" : places.join(", ")];
}

function addDeadLetters(alerts: Command, terminal: Terminal): void {
	addCommand<RetryOptions>(alerts, terminal, {
		usage: "retry [ALERT_ID]",
		summary: "send again what was given up, of one alert or of all",
		example: "npx tollgate alerts retry --all-dead",
		options: { "--all-dead": "everything that was given up" },
		run: async ({ system, print, options, arguments: [alertId] }) => {
			if ((alertId === undefined) === (options.allDead === undefined)) throw new CommandFailure(2, "name one alert, or give --all-dead");
			const retried = await (alertId === undefined ? system().alerts.retryAllDead() : system().alerts.retry(alertId));
			print(retried, retried.waiting === 1 ? "1 delivery waits again." : `${retried.waiting} deliveries wait again.`);
		},
	});
	addCommand(alerts, terminal, {
		usage: "acknowledge <ALERT_ID>",
		summary: "say that you know an alert was not delivered; it is no longer listed as dead",
		example: "npx tollgate alerts acknowledge alr_0123456789abcdef01234567",
		run: async ({ system, print, arguments: [alertId = ""] }) => {
			const alert = await system().alerts.acknowledge(alertId);
			print(alert, `Alert ${alert.id} is acknowledged.`);
		},
	});
}

function addChannels(alerts: Command, terminal: Terminal): void {
	addCommand(alerts, terminal, {
		usage: "test <CHANNEL>",
		summary: "send a test alert now and say what the receiver answered",
		example: "npx tollgate alerts test pager",
		run: async ({ system, print, arguments: [name = ""] }) => {
			const test = await system().alertChannels.test(name);
			if (!test.isDelivered) throw new CommandFailure(1, `channel ${name} did not take it: ${test.said}`);
			print(test, `Channel ${name} took it: ${test.said}`);
		},
	});
	addCommand(alerts, terminal, {
		usage: "channels",
		summary: "channels of alerts, and which alerts go where",
		example: "npx tollgate alerts channels",
		run: async ({ system, print }) => {
			const found = await system().alertChannels.list();
			const channels = found.channels.map(({ name, kind, allowPrivate, ...places }) => [
				name,
				kind,
				Object.values(places).join(", "),
				allowPrivate ? "allowed" : "-",
			]);
			const routes = found.routes.map(({ teamId, channel, kinds }) => [teamId, channel, kinds.length === 0 ? "all" : kinds.join(", ")]);
			print(found, [table(["CHANNEL", "KIND", "WHERE", "PRIVATE"], channels), "", table(["TEAM", "CHANNEL", "KINDS"], routes)].join("\n"));
		},
	});
	addChannelChanges(alerts, terminal);
}

function addChannelChanges(alerts: Command, terminal: Terminal): void {
	const channel = addGroup(alerts, "channel", {
		summary: "one channel: set, remove",
		example: "npx tollgate alerts channel set pager --kind pagerduty --routing-key-env PAGERDUTY_KEY",
	});
	addCommand<ChannelOptions>(channel, terminal, {
		usage: "set <CHANNEL>",
		summary: "make a channel, or set it anew; secrets stay in variables or files of the worker",
		example: "npx tollgate alerts channel set team-chat --kind slack --url-env SLACK_WEBHOOK_URL",
		options: {
			"!--kind <KIND>": "slack, pagerduty, alertmanager or webhook",
			"--url <URL>": "of alertmanager, webhook, or a pagerduty that is not the public one",
			"--url-env <VARIABLE>": "variable of the worker that holds the URL",
			"--url-file <FILE>": "file that holds it, an absolute path on the worker",
			"--routing-key-env <VARIABLE>": "of pagerduty",
			"--routing-key-file <FILE>": "of pagerduty",
			"--secret-env <VARIABLE>": "of webhook: whsec_…, which signs it",
			"--secret-file <FILE>": "of webhook",
			"--allow-private": "may be delivered to a private address, and over http",
		},
		run: async ({ system, print, options, arguments: [name = ""] }) => {
			const { kind, url, urlEnv, urlFile, routingKeyEnv, routingKeyFile, secretEnv, secretFile, allowPrivate } = options;
			const given = { kind, url, urlEnv, urlFile, routingKeyEnv, routingKeyFile, secretEnv, secretFile, allowPrivate };
			const set = await system().alertChannels.set(name, given);
			print(set, `Channel ${name} is set. Try it with: npx tollgate alerts test ${name}`);
		},
	});
	addCommand(channel, terminal, {
		usage: "remove <CHANNEL>",
		summary: "end a channel that no route names; what waits for it is not told",
		example: "npx tollgate alerts channel remove team-chat",
		run: async ({ system, print, arguments: [name = ""] }) => {
			await system().alertChannels.remove(name);
			print({ name, removed: true }, `Channel ${name} is removed.`);
		},
	});
	addCommand<RouteOptions>(alerts, terminal, {
		usage: "route",
		summary: "which alerts of a team go where, as a whole; without --to, nowhere",
		example: "npx tollgate alerts route --team search --to team-chat,pager --kinds budget.stopped,refusals.burst",
		options: {
			"--team <TEAM>": ["alerts of one team", someText],
			"--organization": "alerts of every team, and of the organisation",
			"--to <CHANNELS>": ["channels, parted by commas", someText],
			"--kinds <KINDS>": ["kinds, parted by commas; default all", someText],
		},
		run: async ({ system, print, options }) => {
			if ((options.team === undefined) === (options.organization === undefined)) throw new CommandFailure(2, "give --team or --organization");
			const teamId = options.team ?? "@organization";
			const kinds = listed(options.kinds);
			const routes = await system().alertChannels.setRoutes(
				teamId,
				listed(options.to).map((channel) => ({ channel, kinds })),
			);
			print(routes, routes.length === 0 ? `No channel is told of ${teamId}.` : `Told of ${teamId}: ${routes.map(({ channel }) => channel).join(", ")}.`);
		},
	});
}

function listed(text: string | undefined): string[] {
	return (text ?? "")
		.split(",")
		.map((part) => part.trim())
		.filter((part) => part !== "");
}
