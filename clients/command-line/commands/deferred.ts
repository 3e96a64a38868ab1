import type { Command } from "commander";
import { DEFERRED_STATUSES } from "#domain/batching/deferred.ts";
import { addCommand, addGroup } from "../command.ts";
import { deferredTable, describeDeferred, describeReport, webhookTable } from "../describe-deferred.ts";
import { CommandFailure, type Terminal } from "../output.ts";
import { oneOf, someText, wholeNumber } from "../values.ts";

type ListOptions = { team: string; status?: string; limit?: string; after?: string };
type ReportOptions = { team?: string; days?: string };
type WebhookOptions = { state?: string; team?: string; channel?: string; item?: string; limit?: string; retry?: true };

const WEBHOOK_STATES = ["waiting", "delivered", "dead"];

export function addDeferredCommands(program: Command, terminal: Terminal): void {
	const deferred = addGroup(program, "deferred", {
		summary: "items handed in alone, with a deadline: list, show, cancel, report, webhooks",
		example: "npx tollgate deferred report --team search --days 30",
	});
	addReading(deferred, terminal);
	addCommand(deferred, terminal, {
		usage: "cancel <ID>",
		summary: "end an item that no part carries, and give back what it holds; one that a part carries ends as that part does",
		example: "npx tollgate deferred cancel deferred_a1B2c3D4e5F6g7H8i9J0k1L2",
		run: async ({ system, print, arguments: [deferredId = ""] }) => {
			const item = await system().deferred.cancel(deferredId);
			const said = item.answeredAt === null ? `${deferredId} is ${item.status}: it ends as its part does.` : `${deferredId} is ${item.status}.`;
			print(item, said);
		},
	});
	addWebhooks(deferred, terminal);
}

function addReading(deferred: Command, terminal: Terminal): void {
	addCommand<ListOptions>(deferred, terminal, {
		usage: "list",
		summary: "items of a team, the newest first",
		example: "npx tollgate deferred list --team search --status running",
		options: {
			"!--team <TEAM>": ["of this team", someText],
			"--status <STATUS>": [DEFERRED_STATUSES.join(", "), oneOf(DEFERRED_STATUSES)],
			"--limit <N>": ["how many; default 50", wholeNumber(1, 1_000)],
			"--after <ID>": ["older than this one", someText],
		},
		run: async ({ system, print, options: { team, status, limit, after } }) => {
			const items = await system().deferred.list({ teamId: team, status, limit: limit === undefined ? undefined : Number(limit), after });
			print(items, deferredTable(items));
		},
	});
	addCommand(deferred, terminal, {
		usage: "show <ID>",
		summary: "one item: its lane, its batch, its deadline, what it holds and has cost",
		example: "npx tollgate deferred show deferred_a1B2c3D4e5F6g7H8i9J0k1L2",
		run: async ({ system, print, arguments: [deferredId = ""] }) => {
			const item = await system().deferred.read(deferredId);
			print(item, describeDeferred(item));
		},
	});
	addCommand<ReportOptions>(deferred, terminal, {
		usage: "report",
		summary: "what items cost, what they would have cost in real time, and what came late, by team and lane",
		example: "npx tollgate deferred report --team search --days 30",
		options: {
			"--team <TEAM>": ["of one team; default all", someText],
			"--days <N>": ["answered in the last N days, 1 to 366; default 30", wholeNumber(1, 366)],
		},
		run: async ({ system, print, options: { team, days } }) => {
			const report = await system().deferred.report({ teamId: team, days: days === undefined ? undefined : Number(days) });
			print(report, describeReport(report));
		},
	});
}

function addWebhooks(deferred: Command, terminal: Terminal): void {
	addCommand<WebhookOptions>(deferred, terminal, {
		usage: "webhooks",
		summary: "webhooks of ended items that were given up; with --retry they are sent again",
		example: "npx tollgate deferred webhooks --channel hook --retry",
		options: {
			"--state <STATE>": [`${WEBHOOK_STATES.join(", ")}; default dead`, oneOf(WEBHOOK_STATES)],
			"--team <TEAM>": ["of one team; default all", someText],
			"--channel <CHANNEL>": ["of one channel; default all", someText],
			"--limit <N>": ["how many; default 50", wholeNumber(1, 1_000)],
			"--retry": "send again what was given up, of --channel, of --item, or of all, instead of listing it",
			"--item <ID>": ["with --retry: of one item", someText],
		},
		run: async ({ system, print, options: { state, team, channel, item, limit, retry } }) => {
			if (retry) {
				if (state !== undefined || team !== undefined || limit !== undefined) throw new CommandFailure(2, "--retry goes with --channel and --item alone");
				const retried = await system().deferred.retryWebhooks({ channel, deferredId: item });
				print(retried, retried.waiting === 1 ? "1 webhook waits again." : `${retried.waiting} webhooks wait again.`);
				return;
			}
			if (item !== undefined) throw new CommandFailure(2, "--item goes with --retry");
			const webhooks = await system().deferred.webhooks({ state, teamId: team, channel, limit: limit === undefined ? undefined : Number(limit) });
			print(webhooks, webhookTable(webhooks));
		},
	});
}
