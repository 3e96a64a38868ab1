import type { Command } from "commander";
import type { CreateKeyRequest } from "../../administration-client.ts";
import { deriveKey } from "../../derive-key.ts";
import { addCommand, addGroup } from "../command.ts";
import { homeOf, readEndpoints } from "../find-system.ts";
import { CommandFailure, cell, type Terminal, table } from "../output.ts";
import { duration, durationOrNone, readNamedFile, someOf, wholeNumber } from "../values.ts";

const ENDPOINTS = ["chat.completions", "responses", "embeddings", "messages", "count_tokens"];

type KeyOptions = {
	team?: string;
	feature?: string;
	user?: string;
	environment?: string;
	models?: string;
	endpoints?: string;
	mayAssert?: string;
	maxAsserted?: string;
	requireRun?: boolean;
	resubmitBatches?: boolean;
	relaneBatches?: boolean;
	expires?: number;
	overlap?: number;
	ttl?: number;
	keyFile?: string;
};

export function addKeyCommands(program: Command, terminal: Terminal): void {
	const key = addGroup(program, "key", {
		summary: "virtual keys: create, rotate, revoke, list, derive",
		example: "npx tollgate key create --team search --expires 30d",
	});
	addCreate(key, terminal);
	addCommand<KeyOptions>(key, terminal, {
		usage: "rotate <KEY_ID>",
		summary: "a successor with the same rights; the old key works on for the overlap",
		example: "npx tollgate key rotate key_0123456789abcdef --overlap 1h",
		options: {
			"--overlap <DURATION>": ["how long the old key works on; default 24h", durationOrNone],
			"--expires <DURATION>": ["life of the new key; default until revoked", duration],
		},
		run: async ({ system, print, options, arguments: [keyId = ""] }) => {
			const { id, key: secret } = await system().keys.rotate(keyId, { overlapMs: options.overlap, expiresInMs: options.expires });
			print({ id, key: secret }, `Key ${id} follows ${keyId}. It is shown this once:\n${secret}`);
		},
	});
	addCommand(key, terminal, {
		usage: "revoke <KEY_ID>",
		summary: "refuse a key from now on, on every gateway",
		example: "npx tollgate key revoke key_0123456789abcdef",
		run: async ({ system, print, arguments: [keyId = ""] }) => {
			await system().keys.revoke(keyId);
			print({ id: keyId, revoked: true }, `Key ${keyId} is revoked.`);
		},
	});
	addCommand<KeyOptions>(key, terminal, {
		usage: "list",
		summary: "virtual keys, without secrets",
		example: "npx tollgate key list --team search",
		options: { "--team <TEAM>": "of one team" },
		run: async ({ system, print, options }) => {
			const keys = await system().keys.list({ teamId: options.team, limit: 1_000 });
			const rows = keys.map((found) => [
				found.id,
				found.teamId,
				cell(found.feature),
				cell(found.userId),
				cell(found.environment),
				found.revokedAt ? "revoked" : cell(found.expiresAt),
				found.createdBy,
			]);
			print(keys, table(["KEY", "TEAM", "FEATURE", "USER", "ENVIRONMENT", "EXPIRES", "CREATED BY"], rows));
		},
	});
	addDerive(key, terminal);
}

function addCreate(key: Command, terminal: Terminal): void {
	addCommand<KeyOptions>(key, terminal, {
		usage: "create",
		summary: "create a virtual key; its secret is shown once",
		example: "npx tollgate key create --team search --feature ranking --expires 30d",
		options: {
			"!--team <TEAM>": "team that pays",
			"--feature <FEATURE>": "attribution",
			"--user <USER>": "attribution",
			"--environment <NAME>": "attribution, like prod",
			"--models <A,B>": "model aliases it may ask for; default all",
			"--endpoints <A,B>": [`endpoints it may call, of ${ENDPOINTS.join(", ")}; default all`, someOf(ENDPOINTS)],
			"--may-assert <user,feature>": ["attribution the caller may name per call", someOf(["user", "feature"])],
			"--max-asserted <N>": ["distinct asserted values; default 10000", wholeNumber(1, 10_000_000)],
			"--require-run": "calls that name no agent run join one by their key and how their conversation begins",
			"--resubmit-batches": "items that its batches left undone, as when a batch expired, go into another batch once",
			"--relane-batches": "items that its batches left undone go in real time, at whose price they are held",
			"--expires <DURATION>": ["like 30d; default until revoked", duration],
		},
		run: async ({ system, print, options }) => {
			const { id, key: secret } = await system().keys.create({
				teamId: options.team ?? "",
				feature: options.feature,
				userId: options.user,
				environment: options.environment,
				models: list(options.models),
				endpoints: list(options.endpoints) as CreateKeyRequest["endpoints"],
				mayAssert: list(options.mayAssert) as CreateKeyRequest["mayAssert"],
				maxAsserted: options.maxAsserted === undefined ? undefined : Number(options.maxAsserted),
				requiresRun: options.requireRun,
				resubmitsBatches: options.resubmitBatches,
				relanesBatches: options.relaneBatches,
				expiresInMs: options.expires,
			});
			print({ id, key: secret }, `Key ${id}. It is shown this once:\n${secret}`);
		},
	});
}

function addDerive(key: Command, terminal: Terminal): void {
	addCommand<KeyOptions>(key, terminal, {
		usage: "derive",
		summary: "derive a short-lived key from a virtual key, offline",
		example: "TOLLGATE_KEY=tg-… npx tollgate key derive --user ann --ttl 1h",
		options: {
			"--user <USER>": "attribution of the derived key",
			"--feature <FEATURE>": "attribution",
			"--environment <NAME>": "attribution",
			"!--ttl <DURATION>": ["life, at most 24h", duration],
			"--key-file <FILE>": "file with the parent key; default the variable TOLLGATE_KEY, else the demo key of the running system",
		},
		run: ({ print, options }) => {
			const parent = parentKey(options, terminal);
			try {
				const derived = deriveKey({
					key: parent,
					user: options.user,
					feature: options.feature,
					environment: options.environment,
					ttlMs: options.ttl ?? 0,
				});
				print({ key: derived }, derived);
			} catch (error) {
				throw error instanceof RangeError ? new CommandFailure(2, error.message) : error;
			}
		},
	});
}

/** Not an argument: arguments are seen by everybody on the machine. */
function parentKey(options: KeyOptions & { home?: string | undefined }, terminal: Terminal): string {
	if (options.keyFile !== undefined) return readNamedFile(options.keyFile, "--key-file").trim();
	const fromEnvironment = terminal.environment["TOLLGATE_KEY"];
	return fromEnvironment ? fromEnvironment : readEndpoints(homeOf(options, terminal.environment)).demoKey;
}

function list(text: string | undefined): string[] | undefined {
	return text?.split(",").map((item) => item.trim());
}
