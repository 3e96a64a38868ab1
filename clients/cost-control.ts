import type { Client, Connection } from "@temporalio/client";
import { AdministrationClient } from "./administration-client.ts";
import { AgentRun, type AgentRunOptions } from "./agent-run.ts";
import { DeferredClient } from "./deferred-client.ts";
import { type ChildKeyRequest, deriveKey } from "./derive-key.ts";
import type { GovernanceClient } from "./governance-client.ts";

/** Through HTTP: for agents, applications and scripts. */
export type HttpOptions = {
	/** Origin of the gateway, like http://127.0.0.1:4000. */
	readonly baseUrl: string;
	/** Virtual key (tg-…, or a derived tgc_…). */
	readonly key: string;
	/** Origin of the administration API, like http://127.0.0.1:4001; only for administration. */
	readonly adminUrl?: string | undefined;
	/** Admin key (tga-…); only for administration. */
	readonly adminKey?: string | undefined;
	/** Deadline of one administrative request, or one about a run or an item that was handed in; default 30,000 ms. */
	readonly timeoutMs?: number | undefined;
};

/** Straight to the team workflows: for workers and tools that already reach Temporal. */
export type TemporalOptions = {
	readonly temporal:
		| { readonly connection: Connection; readonly client: Client }
		| {
				/** host:port, connected on first use. */
				readonly address: string;
				/** Default "default". */
				readonly namespace?: string | undefined;
		  };
};

/** What the official `openai` client takes: `new OpenAI(costControl.openai())`. */
export type OpenAiOptions = { readonly baseURL: string; readonly apiKey: string };
/** What the official `@anthropic-ai/sdk` client takes: `new Anthropic(costControl.anthropic())`. */
export type AnthropicOptions = { readonly baseURL: string; readonly apiKey: string; readonly authToken: null };

/**
 * Cost control from code.
 *
 * ```ts
 * const costControl = new CostControl({ baseUrl: "http://127.0.0.1:4000", key });
 * const openai = new OpenAI(costControl.openai());
 * ```
 */
export class CostControl {
	readonly #http: HttpOptions | undefined;
	readonly #temporal: TemporalOptions["temporal"] | undefined;
	#administration: AdministrationClient | undefined;
	#batch: DeferredClient | undefined;
	#governance: Promise<GovernanceClient> | undefined;
	#ownConnection: Connection | undefined;

	constructor(options: HttpOptions | TemporalOptions) {
		this.#temporal = "temporal" in options ? options.temporal : undefined;
		this.#http = "temporal" in options ? undefined : { ...options, baseUrl: withoutSlash(options.baseUrl) };
	}

	/** Options for the official OpenAI client, unmodified. @throws TypeError when constructed for Temporal. */
	openai(): OpenAiOptions {
		const { baseUrl, key } = this.#requireHttp();
		return { baseURL: `${baseUrl}/v1`, apiKey: key };
	}

	/** Options for the official Anthropic client, unmodified; `authToken: null` keeps one from the environment out. @throws TypeError when constructed for Temporal. */
	anthropic(): AnthropicOptions {
		const { baseUrl, key } = this.#requireHttp();
		return { baseURL: baseUrl, apiKey: key, authToken: null };
	}

	/**
	 * Opens a run of an agent, or takes one up again: its calls count together against its ceilings, and it is paused where it loops.
	 * @throws CostControlError "run.invalid" and others, `details.field` naming what is wrong; UnreachableError; TypeError when constructed for Temporal.
	 */
	async agentRun(options: AgentRunOptions = {}): Promise<AgentRun> {
		return AgentRun.open(this.#requireHttp(), options);
	}

	/** Requests that may wait until a deadline, mostly at half the price. @throws TypeError when constructed for Temporal. */
	get batch(): DeferredClient {
		this.#batch ??= new DeferredClient(this.#requireHttp());
		return this.#batch;
	}

	/**
	 * A short-lived key that books every call on `user`, derived offline from this one.
	 * `ttlMs` is at most 24 h. @throws RangeError on a value no key can carry; TypeError when constructed for Temporal.
	 */
	deriveKey(request: Omit<ChildKeyRequest, "key">): string {
		return deriveKey({ ...request, key: this.#requireHttp().key });
	}

	/** Teams, keys, budgets, increases, spend and prices through HTTP. @throws TypeError without adminUrl and adminKey. */
	get administration(): AdministrationClient {
		const { adminUrl, adminKey, timeoutMs } = this.#requireHttp();
		if (adminUrl === undefined || adminKey === undefined) throw new TypeError("administration needs adminUrl and adminKey");
		this.#administration ??= new AdministrationClient({ adminUrl: withoutSlash(adminUrl), adminKey, timeoutMs });
		return this.#administration;
	}

	/** The team workflows: apply a policy, freeze, unfreeze, increases, status. @throws TypeError when constructed for HTTP. */
	governance(): Promise<GovernanceClient> {
		if (!this.#temporal) throw new TypeError("governance needs new CostControl({ temporal })");
		this.#governance ??= this.#connect(this.#temporal);
		return this.#governance;
	}

	/** Closes the connection this object opened itself; a connection that was given stays open. */
	async close(): Promise<void> {
		await this.#ownConnection?.close();
	}

	/** Temporal's client is loaded only where it is used: it is large. */
	async #connect(temporal: TemporalOptions["temporal"]): Promise<GovernanceClient> {
		const [{ Client, Connection }, { GovernanceClient }] = await Promise.all([import("@temporalio/client"), import("./governance-client.ts")]);
		if ("client" in temporal) return new GovernanceClient(temporal);
		const connection = Connection.lazy({ address: temporal.address });
		this.#ownConnection = connection;
		return new GovernanceClient({ connection, client: new Client({ connection, namespace: temporal.namespace ?? "default" }) });
	}

	#requireHttp(): HttpOptions {
		if (!this.#http) throw new TypeError("this needs new CostControl({ baseUrl, key })");
		return this.#http;
	}
}

function withoutSlash(url: string): string {
	return url.replace(/\/+$/, "");
}
