import { createRequire } from "node:module";
import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { endOfWaiting, type WaitOptions } from "./asking-again.ts";
import type { AnthropicOptions, HttpOptions, OpenAiOptions } from "./cost-control.ts";
import { GatewayConnection } from "./gateway-connection.ts";
import { RegisteredRun, Run, RunStanding } from "./run-contract.ts";
import { holdOfStanding, RunHeldError, type RunHold, readRunHold } from "./run-errors.ts";
import { type RunLimits, writeLimits } from "./run-limits.ts";
import { runPath, untilRunning } from "./run-waiting.ts";

export type AgentRunOptions = {
	/** Refused where it is not the key's; default: the key's. */
	readonly team?: string | undefined;
	/** 1 to 128 of `A-Z a-z 0-9 . _ : -`, nobody else's in the whole deployment. Default: one is made. One that goes on already is taken up again. */
	readonly runId?: string | undefined;
	/** It draws from this run's ceilings. Default: none. */
	readonly parent?: AgentRun | string | undefined;
	/** What its calls are booked on; for a key that may assert features. */
	readonly feature?: string | undefined;
	/** Default: the team's for a root, none of its own for a child. */
	readonly limits?: RunLimits | undefined;
	/** Who acts, where several agents share one run: 1 to 64 printable characters without a comma. */
	readonly agent?: string | undefined;
};

export type ChildRunOptions = Omit<AgentRunOptions, "team" | "parent">;

/** What both official clients take beside base URL and key: the run's headers, and a `fetch` that notes whether the run is held. */
export type RunClientOptions = { readonly defaultHeaders: Readonly<Record<string, string>>; readonly fetch: typeof globalThis.fetch };

type Opened = { readonly run: RegisteredRun; readonly http: HttpOptions; readonly connection: GatewayConnection; readonly options: AgentRunOptions };

const PAYMENT_REQUIRED = 402;
const ANY_TOOL = "*";

/**
 * One run of an agent: its calls are counted together, found out where they loop, and paused instead of crashed.
 *
 * ```ts
 * const run = await costControl.agentRun({ limits: { costUsd: "0.20", steps: 40, toolCalls: { "*": 20 } } });
 * const openai = run.openai();
 * const found = await run.step("search", { q }, search);
 * await run.finish();
 * ```
 */
export class AgentRun {
	readonly id: string;
	readonly teamId: string;
	readonly #http: HttpOptions;
	readonly #connection: GatewayConnection;
	readonly #parent: AgentRun | undefined;
	readonly #feature: string | undefined;
	readonly #headers: Readonly<Record<string, string>>;
	readonly #toolCalls = new Map<string, number>();
	#toolLimits: ReadonlyMap<string, number>;
	#hold: RunHold | undefined;

	private constructor({ run, http, connection, options }: Opened) {
		this.id = run.runId;
		this.teamId = run.teamId;
		this.#http = http;
		this.#connection = connection;
		this.#parent = options.parent instanceof AgentRun ? options.parent : undefined;
		this.#feature = options.feature;
		this.#headers = {
			"x-tollgate-run": run.runId,
			...(options.agent !== undefined && { "x-tollgate-agent": options.agent }),
			...(run.assertedFeature !== null && { "x-tollgate-feature": run.assertedFeature }),
		};
		this.#toolLimits = toolLimitsOf(run.limits);
		this.#hold = holdOfStanding(run);
	}

	/**
	 * Opens the run, or takes it up again; see `CostControl.agentRun`.
	 * @throws CostControlError "run.invalid" and the others of docs/errors.md, `details.field` naming what is wrong; RunHeldError where the
	 * parent is held; RangeError on dollars that are none; UnreachableError.
	 */
	static async open(http: HttpOptions, options: AgentRunOptions): Promise<AgentRun> {
		const { team, runId, parent, feature, limits } = options;
		const connection = new GatewayConnection(http);
		const parentRunId = parent instanceof AgentRun ? parent.id : parent;
		const body = { teamId: team, runId, parentRunId, feature, limits: limits && writeLimits(limits) };
		return new AgentRun({ run: await connection.send("POST /v1/runs", RegisteredRun, { body }), http, connection, options });
	}

	/** For any client that takes headers: the Vercel AI SDK, LangChain.js, plain `fetch`. */
	headers(): Record<string, string> {
		return { ...this.#headers };
	}

	/** The official OpenAI client on this run. @throws TypeError where the package `openai` is not installed. */
	openai(): OpenAI {
		const { default: Client } = loadClient("openai") as typeof import("openai");
		return new Client(this.openaiOptions());
	}

	/** The official Anthropic client on this run. @throws TypeError where the package `@anthropic-ai/sdk` is not installed. */
	anthropic(): Anthropic {
		const { default: Client } = loadClient("@anthropic-ai/sdk") as typeof import("@anthropic-ai/sdk");
		return new Client(this.anthropicOptions());
	}

	/** `new OpenAI(run.openaiOptions())`. */
	openaiOptions(): OpenAiOptions & RunClientOptions {
		return { baseURL: `${this.#http.baseUrl}/v1`, apiKey: this.#http.key, ...this.#clientOptions() };
	}

	/** `new Anthropic(run.anthropicOptions())`. */
	anthropicOptions(): AnthropicOptions & RunClientOptions {
		return { baseURL: this.#http.baseUrl, apiKey: this.#http.key, authToken: null, ...this.#clientOptions() };
	}

	/** `fetch` that notes whether the run is held, so that `step` knows; for clients that take one. */
	readonly fetch: typeof globalThis.fetch = async (input, init) => {
		const answer = await globalThis.fetch(input, init);
		if (answer.ok) this.#hold = undefined;
		else if (answer.status === PAYMENT_REQUIRED) this.#hold = readRunHold(await answer.clone().text()) ?? this.#hold;
		return answer;
	};

	/**
	 * Runs a tool of the agent, unless the run, or one above it, is known to be held, or its ceiling of tool calls is reached.
	 * Calls are counted in this process, those of child runs begun with `child` among them.
	 * @throws RunHeldError before `call` runs; CostControlError "run.ceiling" likewise, `details.field` naming the ceiling: tell the model, or end.
	 */
	async step<Args, Result>(tool: string, args: Args, call: (args: Args) => Result | Promise<Result>): Promise<Result> {
		const chain = this.#chain();
		const hold = chain.map((run) => run.#hold).find((known) => known !== undefined);
		if (hold !== undefined) throw new RunHeldError(hold);
		const usedUp = (): AgentRun | undefined => chain.find((run) => run.#isUsedUp(tool));
		// Asked again after each look: another step may have counted meanwhile.
		for (let run = usedUp(); run !== undefined; run = usedUp()) await run.#lookAgain(tool);
		for (const run of chain) run.#toolCalls.set(tool, (run.#toolCalls.get(tool) ?? 0) + 1);
		return call(args);
	}

	/** A run below this one: it draws from this run's ceilings, and from its own where it names any. */
	child(options: ChildRunOptions = {}): Promise<AgentRun> {
		return AgentRun.open(this.#http, { feature: this.#feature, ...options, parent: this });
	}

	/** State, hold, limits and what the run and all below it took, as the books have it. */
	async status(): Promise<Run> {
		const run = await this.#connection.send(`GET ${runPath(this.id)}`, Run);
		this.#toolLimits = toolLimitsOf(run.limits);
		this.#hold = holdOfStanding(run);
		return run;
	}

	/**
	 * Resolves when the run, and those above it that were begun with `child`, go on; at once where nothing holds them. Waits at the gateway, for
	 * hours where it has to, over restarts of gateways.
	 * @throws RunHeldError when it is stopped; CostControlError "run.finished" when it has ended; the reason of `signal`; TimeoutError after `timeoutMs`.
	 */
	async whenResumed(options: WaitOptions = {}): Promise<void> {
		const end = endOfWaiting(options);
		for (const run of this.#chain()) await run.#whenThisResumed(end);
	}

	/** Ends the run and all below it: its id is never used again. Repeating it is safe. */
	async finish(): Promise<RunStanding> {
		return this.#connection.send(`POST ${runPath(this.id)}/finish`, RunStanding, { body: {} });
	}

	/** Root first, this run last. */
	#chain(): readonly AgentRun[] {
		return this.#parent === undefined ? [this] : [...this.#parent.#chain(), this];
	}

	#clientOptions(): RunClientOptions {
		return { defaultHeaders: this.headers(), fetch: this.fetch };
	}

	#isUsedUp(tool: string): boolean {
		const most = this.#mostOf(tool);
		return most !== undefined && (this.#toolCalls.get(tool) ?? 0) >= most;
	}

	#mostOf(tool: string): number | undefined {
		return this.#toolLimits.get(tool) ?? this.#toolLimits.get(ANY_TOOL);
	}

	/** The ceiling may have been raised meanwhile, or the gateway has held the run for it. */
	async #lookAgain(tool: string): Promise<void> {
		await this.status();
		if (this.#hold !== undefined) throw new RunHeldError(this.#hold);
		if (!this.#isUsedUp(tool)) return;
		throw new CostControlError("run.ceiling", `The run ${this.id} has called ${tool} ${this.#mostOf(tool)} times, which is the most.`, {
			details: { runId: this.id, field: `limits.toolCalls.${tool}` },
		});
	}

	async #whenThisResumed(end: AbortSignal | undefined): Promise<void> {
		const above = this.#hold?.runId;
		if (above !== undefined && above !== this.id) await untilRunning(this.#connection, above, end);
		await untilRunning(this.#connection, this.id, end);
		this.#hold = undefined;
	}
}

/** Hard ceilings by tool. */
function toolLimitsOf(limits: Readonly<Record<string, unknown>>): ReadonlyMap<string, number> {
	const entries = Object.entries((limits["toolCalls"] ?? {}) as Readonly<Record<string, { readonly hard?: { readonly at?: unknown } }>>);
	return new Map(entries.flatMap(([tool, { hard }]) => (typeof hard?.at === "number" ? [[tool, hard.at] as const] : [])));
}

const require = createRequire(import.meta.url);

/** The very module that `import` gives, so that `instanceof` holds for its errors; loaded where it is asked for, because it is large. */
function loadClient(name: string): unknown {
	try {
		return require(`${name}/index.mjs`);
	} catch (error) {
		if ((error as { readonly code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
		throw new TypeError(`the package ${name} is not installed`, { cause: error });
	}
}
