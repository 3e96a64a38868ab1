import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Queryable } from "#activities/keys/port.ts";
import { createVirtualKey } from "#activities/keys/postgres.ts";
import { resolveVirtualKey } from "#activities/keys/resolve.ts";
import { formatUsd } from "#domain/money/wire.ts";
import { authenticateAdmin, createAdminKey } from "./admin-keys.ts";
import { listBudgets, setBudget } from "./budgets.ts";
import type { Administration, BudgetGovernor } from "./port.ts";
import { createTeam } from "./teams.ts";

export const DEMO_TEAM = "demo";
/** Stands beside the changes that starting the system makes. */
export const BOOTSTRAP_ADMIN_NAME = "npm start";

export type BootstrapResult = {
	/** The two secrets kept readable, each in a file of mode 0600; the first admin key may have been revoked. */
	readonly adminKeyFile: string;
	readonly demoKeyFile: string;
	/** The daily limit of team "demo" that is in force; null where a person removed that budget. */
	readonly demoLimitNanoUsd: string | null;
};

/**
 * What a first start makes and every later one finds again: an admin key, team "demo" with its daily
 * budget, and its key. A budget that a person changed is left alone. Safe to interrupt and repeat.
 * @throws CostControlError "governance.unreachable" while no worker serves the team's workflow.
 */
export async function bootstrapSystem(options: {
	readonly database: Queryable;
	readonly governor: BudgetGovernor;
	readonly home: string;
	readonly demoLimitNanoUsd: bigint;
}): Promise<BootstrapResult> {
	const { database } = options;
	const administration: Administration = { database, governor: options.governor, adminName: BOOTSTRAP_ADMIN_NAME };
	await mkdir(options.home, { recursive: true, mode: 0o700 });
	const adminKeyFile = path.join(options.home, "admin-key");
	const demoKeyFile = path.join(options.home, "demo-key");
	await keepSecret(adminKeyFile, {
		isLive: async (secret) => (await authenticateAdmin(database, secret)) !== undefined,
		isUnwanted: () => isFirstKeyRevoked(database),
		create: async () => (await createAdminKey(database, { name: "first administrator" }, BOOTSTRAP_ADMIN_NAME)).key,
	});
	const demoLimitNanoUsd = await ensureDemoBudget(administration, options.demoLimitNanoUsd);
	await keepSecret(demoKeyFile, {
		isLive: async (secret) => (await resolveVirtualKey(database, secret)).kind === "known",
		create: async () => (await createVirtualKey(database, { teamId: DEMO_TEAM }, BOOTSTRAP_ADMIN_NAME)).key,
	});
	return { adminKeyFile, demoKeyFile, demoLimitNanoUsd };
}

// Administrators who revoked the first key, and have others, have done so on purpose: a start does not bring it back.
const FIRST_KEY_REVOKED = `
	SELECT EXISTS (SELECT 1 FROM tollgate.admin_key WHERE revoked_at IS NULL)
	  AND coalesce((SELECT revoked_at IS NOT NULL FROM tollgate.admin_key WHERE created_by = $1 ORDER BY created_at DESC LIMIT 1), false) AS "isRevoked"`;

async function isFirstKeyRevoked(database: Queryable): Promise<boolean> {
	return (await database.query<{ isRevoked: boolean }>(FIRST_KEY_REVOKED, [BOOTSTRAP_ADMIN_NAME])).rows[0]?.isRevoked === true;
}

// Somebody may have deleted it: a start brings it back with its books, and with those of its keys that nobody revoked.
const RESTORE_TEAM = `
	WITH restored AS (UPDATE tollgate.team SET deleted_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL RETURNING id)
	SELECT id, (SELECT tollgate.record_change('team', id, $2, '{"action": "restored"}') FROM restored) AS revision FROM tollgate.team WHERE id = $1`;
const LAST_WRITER = "SELECT admin_name FROM tollgate.change WHERE kind = 'budget' AND subject = $1 ORDER BY revision DESC LIMIT 1";

async function ensureDemoBudget(administration: Administration, limitNanoUsd: bigint): Promise<string | null> {
	const { database } = administration;
	const budget = { teamId: DEMO_TEAM, windowKind: "day", limitUsd: formatUsd(limitNanoUsd) };
	if ((await database.query(RESTORE_TEAM, [DEMO_TEAM, BOOTSTRAP_ADMIN_NAME])).rows.length === 0) await createTeam(administration, { id: DEMO_TEAM });
	const budgets = await listBudgets(database, DEMO_TEAM);
	const daily = budgets.find((found) => found.dimension === "team" && found.windowKind === "day" && found.unit === "nano_usd");
	if (!daily && budgets.length > 0) return null;
	const lastWriter = daily && (await database.query<{ admin_name: string }>(LAST_WRITER, [daily.id])).rows[0]?.admin_name;
	const isOurs = !daily || lastWriter === BOOTSTRAP_ADMIN_NAME;
	if (daily && (!isOurs || daily.limitAmount === limitNanoUsd.toString())) return daily.limitAmount;
	return (await setBudget(administration, budget)).limitAmount;
}

/** Keeps the secret in the file when it still works, else makes a new one. */
async function keepSecret(
	file: string,
	secret: {
		readonly isLive: (text: string) => Promise<boolean>;
		/** True where a dead or lost secret is not to be replaced. */
		readonly isUnwanted?: () => Promise<boolean>;
		readonly create: () => Promise<string>;
	},
): Promise<void> {
	const kept = await readIfPresent(file);
	if (kept !== undefined && (await secret.isLive(kept.trim()))) return;
	if (await secret.isUnwanted?.()) return;
	const draft = `${file}.new`;
	await writeFile(draft, `${await secret.create()}\n`, { mode: 0o600 });
	await rename(draft, file);
}

async function readIfPresent(file: string): Promise<string | undefined> {
	try {
		return await readFile(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}
