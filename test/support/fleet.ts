import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

/** Gateways in child processes, driven over IPC. */
export type FleetCall = { readonly gateway: number; readonly secret: string; readonly nanoUsd: string; readonly costNanoUsd: number };
export type FleetAnswer = { readonly kind: "served" } | { readonly kind: "refused"; readonly code: string; readonly held: string; readonly left: string };
export type FleetOrder = { readonly id: string } & ({ readonly kind: "calls"; readonly calls: readonly FleetCall[] } | { readonly kind: "drain" });

type Reply = { readonly id: string; readonly value?: unknown; readonly error?: string };
type Order = { readonly kind: "calls"; readonly calls: readonly FleetCall[] } | { readonly kind: "drain" };

const CHILD = path.join(import.meta.dirname, "fleet-child.ts");

export class FleetProcess {
	private readonly child: ChildProcess;
	private readonly waiting = new Map<string, PromiseWithResolvers<unknown>>();
	private orders = 0;

	private constructor(child: ChildProcess) {
		this.child = child;
		child.on("message", (reply: Reply) => this.take(reply));
		child.on("exit", (code, signal) => {
			for (const { reject } of this.waiting.values()) reject(new Error(`the fleet process ended: ${code ?? signal}`));
		});
	}

	static async start(name: string, options: { readonly gateways: number; readonly databaseUrl: string; readonly folder: string }): Promise<FleetProcess> {
		const child = fork(CHILD, [name, String(options.gateways), options.databaseUrl, options.folder], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
		const fleet = new FleetProcess(child);
		await fleet.expect("ready");
		return fleet;
	}

	calls(calls: readonly FleetCall[]): Promise<FleetAnswer[]> {
		return this.order({ kind: "calls", calls }) as Promise<FleetAnswer[]>;
	}

	/** Answers what went wrong inside, if anything. */
	drain(): Promise<string[]> {
		return this.order({ kind: "drain" }) as Promise<string[]>;
	}

	signal(signal: "SIGSTOP" | "SIGCONT"): void {
		this.child.kill(signal);
	}

	async end(): Promise<void> {
		if (this.child.exitCode !== null || this.child.signalCode !== null) return;
		const ended = once(this.child, "exit");
		this.child.kill("SIGKILL");
		await ended;
	}

	private order(order: Order): Promise<unknown> {
		const id = String(++this.orders);
		const answer = this.expect(id);
		this.child.send({ id, ...order });
		return answer;
	}

	private expect(id: string): Promise<unknown> {
		const waiting = Promise.withResolvers<unknown>();
		this.waiting.set(id, waiting);
		return waiting.promise;
	}

	private take({ id, value, error }: Reply): void {
		const waiting = this.waiting.get(id);
		this.waiting.delete(id);
		if (error === undefined) waiting?.resolve(value);
		else waiting?.reject(new Error(error));
	}
}
