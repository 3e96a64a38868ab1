import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { GATEWAY_ALLOCATOR, GATEWAY_NODE_FLAGS } from "#config/gateway-process.ts";
import { GATEWAY_CORE } from "../machine/processes.ts";
import { CHAT_PATH, type LaneContext, type LaneName, type LaneStart, type RunningLane } from "./lane.ts";
import { startLiteLlm } from "./litellm.ts";
import { startPortkey } from "./portkey.ts";
import { copyDatabase, fillStore, type TeamPlan } from "./store.ts";

const ROOT = path.join(import.meta.dirname, "../..");

type OursName = Extract<LaneName, "bare" | `governed${string}`>;

const TEAMS: Readonly<Record<OursName, TeamPlan>> = {
	bare: { budgets: 0 },
	governed: { budgets: 1 },
	"governed-8": { budgets: 8 },
	"governed-10k": { budgets: 1, callingTeams: 100, otherTeams: 9_900, otherKeys: 99_900 },
	"governed-run": { budgets: 1 },
};

/** Few, since each looks once a second for what other gateways know of it; so many that none comes near its default ceiling. */
const RUNS = Array.from({ length: 4 }, (_, index) => `bench-run-${index}`);

/** Starts one lane; a lane of ours that cannot start is an error, a peer that cannot is "not served". */
export function startLane(name: LaneName, context: LaneContext): Promise<LaneStart> {
	switch (name) {
		case "direct":
			return startDirect(context);
		case "floor":
			return startFloor(context);
		case "portkey":
			return startPortkey(context);
		case "litellm":
			return startLiteLlm(context);
		default:
			return startOurs(name, context);
	}
}

async function startDirect({ providerPorts }: LaneContext): Promise<LaneStart> {
	const endpoint = { port: providerPorts["direct"] ?? 0, path: CHAT_PATH, authorizations: ["Bearer none"], headers: {} };
	return { kind: "served", lane: { name: "direct", kind: "direct", endpoint, pid: undefined, version: "", databaseUrl: undefined } };
}

async function startFloor({ processes, providerPorts }: LaneContext): Promise<LaneStart> {
	const command = [process.execPath, path.join(ROOT, "bench/floor.ts"), `http://127.0.0.1:${providerPorts["floor"]}`] as const;
	const { child, report } = await processes.startServer({ name: "floor", core: GATEWAY_CORE, command: [...command] });
	const endpoint = { port: portOf(report), path: CHAT_PATH, authorizations: ["Bearer none"], headers: {} };
	return { kind: "served", lane: { name: "floor", kind: "floor", endpoint, pid: child.pid, version: `node ${process.versions.node}`, databaseUrl: undefined } };
}

async function startOurs(name: OursName, context: LaneContext): Promise<LaneStart> {
	return { kind: "served", lane: await startGatewayLane(context, { name, teams: TEAMS[name], hasRuns: name === "governed-run" }) };
}

/** A gateway with a database and teams of its own, as a lane of ours. `name` is also that of the provider's port. */
export async function startGatewayLane<Name extends string>(
	context: LaneContext,
	{
		name,
		teams,
		hasRuns,
		tree,
		nodeFlags,
	}: { readonly name: Name; readonly teams: TeamPlan; readonly hasRuns: boolean } & Pick<GatewayPlan, "tree" | "nodeFlags">,
): Promise<RunningLane<Name>> {
	const databaseUrl = await copyDatabase(context.postgresUrl, context.templateDatabase, `lane-${name}`);
	const secrets = await fillStore(databaseUrl, teams);
	const chargedWindows = teams.budgets * secrets.length;
	const plan: GatewayPlan = {
		name,
		databaseUrl,
		providerPort: context.providerPorts[name] ?? 0,
		...(tree !== undefined && { tree }),
		...(nodeFlags && { nodeFlags }),
	};
	const { child, report } = await startGateway(context, plan);
	const authorizations = secrets.map((secret) => `Bearer ${secret}`);
	const endpoint = { port: portOf(report), path: CHAT_PATH, authorizations, headers: {}, ...(hasRuns && { runs: RUNS }) };
	return { name, kind: "ours", endpoint, pid: child.pid, version: productVersion(), databaseUrl, chargedWindows };
}

export type GatewayPlan = {
	/** Folder of the source. Default: this one. */
	readonly tree?: string;
	/** Also names its journal and its log. */
	readonly name: string;
	readonly databaseUrl: string;
	readonly providerPort: number;
	/** Stands for the table of simulated providers. */
	readonly providersFile?: string;
	readonly nodeFlags?: readonly string[];
};

/** The gateway as `npm start` runs it, alone on its core. */
export function startGateway(context: Pick<LaneContext, "processes" | "folder">, plan: GatewayPlan): ReturnType<LaneContext["processes"]["startServer"]> {
	const home = path.join(context.folder, "homes", plan.name);
	mkdirSync(home, { recursive: true });
	return context.processes.startServer({
		name: `gateway-${plan.name}`,
		core: GATEWAY_CORE,
		command: [process.execPath, ...GATEWAY_NODE_FLAGS, ...(plan.nodeFlags ?? []), path.join(plan.tree ?? ROOT, "gateway/main.ts")],
		environment: {
			...GATEWAY_ALLOCATOR,
			TOLLGATE_HOME: home,
			TOLLGATE_GATEWAY_ID: plan.name.replaceAll("-", "_"),
			TOLLGATE_GATEWAY_PORT: "0",
			...(plan.providersFile === undefined
				? { TOLLGATE_SIMULATED_PROVIDER_URL: `http://127.0.0.1:${plan.providerPort}` }
				: { TOLLGATE_PROVIDERS_FILE: plan.providersFile }),
			TOLLGATE_LOG_LEVEL: "warn",
			NODE_COMPILE_CACHE: path.join(context.folder, "compiled"),
			DATABASE_URL: plan.databaseUrl,
		},
	});
}

export function portOf(report: Readonly<Record<string, unknown>>): number {
	return Number(new URL(String(report["url"])).port);
}

function productVersion(): string {
	const { version } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as { version: string };
	return version;
}
