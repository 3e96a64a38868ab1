import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { heldLine } from "./held-statements.ts";
import type { RoleChild } from "./role-child.ts";
import { testWorkflowBundle } from "./temporal.ts";
import { until } from "./until.ts";

const CHILD = path.join(import.meta.dirname, "role-child.ts");

export type RoleProcess = {
	/** When it stands still at all of its held statements. */
	holdsAll(): Promise<void>;
	/** SIGKILL; resolves when it is gone. */
	kill(): Promise<void>;
};

type StartedAs = Pick<RoleChild, "role" | "databaseUrl" | "temporalAddress"> & Partial<Pick<RoleChild, "held" | "reports">>;

/** Starts roles of the worker in processes of their own, and kills what is left of them at the end. */
export class RoleProcesses {
	private readonly folder: string;
	private readonly running: RoleProcess[] = [];

	private constructor(folder: string) {
		this.folder = folder;
	}

	static async open(): Promise<RoleProcesses> {
		const folder = await mkdtemp(path.join(tmpdir(), "tollgate-roles-"));
		await writeFile(path.join(folder, "bundle.js"), (await testWorkflowBundle()).code);
		return new RoleProcesses(folder);
	}

	/** Resolves when it polls. Reports are those of 6 o'clock in UTC where nothing else is said. */
	async start({ held = [], reports = { timeZone: "UTC", hour: 6, minute: 0 }, ...as }: StartedAs): Promise<RoleProcess> {
		const started: RoleChild = { ...as, held, reports, bundleFile: path.join(this.folder, "bundle.js") };
		const child = spawn(process.execPath, [CHILD, JSON.stringify(started)], { stdio: ["ignore", "pipe", "inherit"] });
		const exited = once(child, "exit");
		const lines = new Set<string>();
		createInterface({ input: child.stdout }).on("line", (line) => lines.add(line));
		const one: RoleProcess = {
			async holdsAll() {
				for (const index of held.keys()) await until(`statement ${index} to be held`, () => lines.has(heldLine(index)), 60_000);
			},
			async kill() {
				child.kill("SIGKILL");
				await exited;
			},
		};
		this.running.push(one);
		await until(`the role ${as.role} to poll`, () => lines.has("polls"), 60_000);
		return one;
	}

	async close(): Promise<void> {
		await Promise.all(this.running.map((one) => one.kill()));
		await rm(this.folder, { recursive: true, force: true });
	}
}
