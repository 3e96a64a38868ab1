import type { z } from "zod";
import * as contract from "./administration-contract.ts";
import * as alertContract from "./alert-contract.ts";
import * as auditContract from "./audit-contract.ts";
import * as batchContract from "./batch-contract.ts";
import { ConsoleClient } from "./console-client.ts";
import * as deferredContract from "./deferred-contract.ts";
import { errorOfAnswer, UnreachableError } from "./errors.ts";
import * as focusContract from "./focus-contract.ts";
import * as forecastContract from "./forecast-contract.ts";
import * as increaseContract from "./increase-contract.ts";
import * as policy from "./policy-contract.ts";
import * as reportContract from "./report-contract.ts";
import { RequestExplanation as RequestExplanationSchema } from "./request-contract.ts";
import * as runContract from "./run-governance-contract.ts";
import * as spendContract from "./spend-contract.ts";
import { StatementClient } from "./statement-client.ts";

export type AdministrationClientOptions = {
	/** Origin of the administration API, like http://127.0.0.1:4001. */
	readonly adminUrl: string;
	/** Admin key (tga-…). */
	readonly adminKey: string;
	/** Deadline of one request; default 30,000 ms, of a policy as a whole 120,000 ms. */
	readonly timeoutMs?: number | undefined;
};

type Input<Schema extends z.ZodType> = z.input<Schema>;
type Output<Schema extends z.ZodType> = z.output<Schema>;
export type CreateKeyRequest = Input<typeof contract.CreateKeyRequest>;
export type CheckPriceRequest = Input<typeof contract.CheckPriceRequest>;
export type CreateTeamRequest = Input<typeof contract.CreateTeamRequest>;
export type ChangeTeamRequest = Input<typeof contract.ChangeTeamRequest>;
export type RotateKeyRequest = Input<typeof contract.RotateKeyRequest>;
export type SetBudgetRequest = Input<typeof contract.SetBudgetRequest>;
export type RemoveBudgetRequest = Input<typeof contract.RemoveBudgetRequest>;
export type EndThrottleRequest = Input<typeof contract.EndThrottleRequest>;
export type SetPriceRequest = Input<typeof contract.SetPriceRequest>;
export type ResolveLeaseRequest = Input<typeof contract.ResolveLeaseRequest>;
export type RequestIncreaseRequest = Input<typeof increaseContract.RequestIncreaseRequest>;
export type ApproveIncreaseRequest = Input<typeof increaseContract.ApproveIncreaseRequest>;
export type Increase = Output<typeof increaseContract.Increase>;
export type Team = Output<typeof contract.Team>;
export type TeamToday = Output<typeof contract.TeamToday>;
export type FrozenTeam = Output<typeof contract.FrozenTeam>;
export type Budget = Output<typeof contract.Budget>;
export type Key = Output<typeof contract.Key>;
export type CreatedKey = Output<typeof contract.CreatedKey>;
export type SpendReport = Output<typeof spendContract.SpendReport>;
export type RecountRequest = Input<typeof spendContract.RecountRequest>;
export type Recount = Output<typeof spendContract.Recount>;
export type MakeReportRequest = Input<typeof reportContract.MakeReportRequest>;
export type MadeReport = Output<typeof reportContract.MadeReport>;
export type ReportSummary = Output<typeof reportContract.ReportSummary>;
export type StoredReport = Output<typeof reportContract.StoredReport>;
export type ReportListQuestion = Input<typeof reportContract.ReportListQuery>;
export type SpendQuestion = Omit<Input<typeof spendContract.SpendQuery>, "format">;
export type ModelAudit = Output<typeof auditContract.ModelAudit>;
export type AuditQuestion = Omit<Input<typeof auditContract.AuditQuery>, "format">;
export type FocusCharge = Output<typeof focusContract.FocusCharge>;
export type ForecastReport = Output<typeof forecastContract.ForecastReport>;
export type ForecastQuestion = Omit<Input<typeof forecastContract.ForecastQuery>, "format">;
export type AnomalyReport = Output<typeof forecastContract.AnomalyReport>;
export type AnomalyQuestion = Omit<Input<typeof forecastContract.AnomalyQuery>, "format">;
export type Lease = Output<typeof contract.Lease>;
export type AdminKey = Output<typeof contract.AdminKey>;
export type PriceCheck = Output<typeof contract.PriceCheck>;
export type PriceList = Output<typeof contract.PriceList>;
export type RequestExplanation = Output<typeof RequestExplanationSchema>;
export type CreatedTeam = Output<typeof contract.CreatedTeam>;
export type UserName = Output<typeof contract.UserName>;
export type ResolvedLease = Output<typeof contract.ResolvedLease>;
export type Throttle = Output<typeof contract.Throttle>;
/** Default: an operator, who may do everything. */
export type AdminGrantRequest = Omit<Input<typeof contract.CreateAdminKeyRequest>, "name">;
export type CreatedAdminKey = Output<typeof contract.CreatedAdminKey>;
export type PolicyFileRequest = Input<typeof policy.PolicyFileRequest>;
export type ApplyPolicyRequest = Input<typeof policy.ApplyPolicyRequest>;
export type CurrentPolicy = Output<typeof policy.CurrentPolicy>;
export type PolicyDiff = Output<typeof policy.PolicyDiff>;
export type AppliedPolicy = Output<typeof policy.AppliedPolicy>;
export type PolicyRevision = Output<typeof policy.PolicyRevision>;
export type StoredPolicy = Output<typeof policy.StoredPolicy>;
export type LiteLlmRequest = Input<typeof policy.LiteLlmRequest>;
export type ImportedPolicy = Output<typeof policy.ImportedPolicy>;
export type Alert = Output<typeof alertContract.Alert>;
export type AlertChannelSetting = Input<typeof alertContract.SetAlertChannelRequest>;
export type AlertChannel = Output<typeof alertContract.AlertChannel>;
export type AlertRoute = Output<typeof alertContract.AlertRoute>;
export type ChannelTest = Output<typeof alertContract.ChannelTest>;
export type AgentRunView = Output<typeof runContract.RunView>;
export type AgentRunItem = Output<typeof runContract.RunListItem>;
export type RunDecisionRequest = Input<typeof runContract.RunDecisionRequest>;
export type RaiseRunRequest = Input<typeof runContract.RaiseRunRequest>;
export type ApproveRunRequest = Input<typeof runContract.ApproveRunRequest>;
export type BatchItem = Output<typeof batchContract.BatchSummary>;
export type BatchView = Output<typeof batchContract.BatchView>;
export type DeferredItem = Output<typeof deferredContract.DeferredView>;
export type RetryDeferredWebhooksRequest = Input<typeof deferredContract.RetryWebhooksRequest>;
export type DeferredReport = Output<typeof deferredContract.DeferredReport>;
export type DeferredWebhook = Output<typeof deferredContract.DeferredWebhook>;

const TIMEOUT_MS = 30_000;
/** Reading a policy of many teams takes seconds, and putting it in force as many; a report may count first what was booked. */
const POLICY_TIMEOUT_MS = 120_000;

/**
 * Administration through HTTP. A change resolves when PostgreSQL holds it and the live gateways act on it.
 * Every method throws CostControlError (`admin.invalid` with `details.field`, `admin.not_found`, `admin.conflict`, `admin.forbidden`,
 * `key.invalid`, `governance.unreachable`, `authority.unreachable`), or UnreachableError when nothing answers.
 * Amounts are decimal strings of nano-USD (of tokens for budgets in tokens), times ISO 8601 in UTC.
 */
export class AdministrationClient {
	readonly #options: AdministrationClientOptions;
	readonly console: ConsoleClient;

	constructor(options: AdministrationClientOptions) {
		this.#options = options;
		this.console = new ConsoleClient(options.adminUrl, (method, path, answer, body) => this.#send(method, path, answer, body));
	}

	readonly teams = {
		list: async (): Promise<Team[]> => (await this.#send("GET", "/teams", contract.TeamList)).teams,
		read: (teamId: string): Promise<Team> => this.#send("GET", `/teams/${encodeURIComponent(teamId)}`, contract.Team),
		/** What it spent on its local day so far, and what was expected of the day. */
		today: (teamId: string): Promise<TeamToday> => this.#send("GET", `/teams/${encodeURIComponent(teamId)}/today`, contract.TeamToday),
		/** Without a budget, and not declared unlimited, a team may not spend. */
		create: (request: CreateTeamRequest): Promise<CreatedTeam> => this.#send("POST", "/teams", contract.CreatedTeam, request),
		change: (teamId: string, change: ChangeTeamRequest): Promise<Team> => this.#send("PATCH", `/teams/${encodeURIComponent(teamId)}`, contract.Team, change),
		delete: (teamId: string): Promise<unknown> => this.#send("DELETE", `/teams/${encodeURIComponent(teamId)}`, contract.Done),
		/** In force when it resolves, whether or not Temporal answers. */
		freeze: (teamId: string, reason: string): Promise<FrozenTeam> =>
			this.#send("POST", `/teams/${encodeURIComponent(teamId)}/freeze`, contract.FrozenTeam, { reason }),
		unfreeze: (teamId: string): Promise<FrozenTeam> => this.#send("POST", `/teams/${encodeURIComponent(teamId)}/unfreeze`, contract.FrozenTeam, {}),
	};

	readonly throttles = {
		/** Those in force, of one team or of all. */
		list: async (teamId?: string): Promise<Throttle[]> => (await this.#send("GET", `/throttles${query({ teamId })}`, contract.ThrottleList)).throttles,
		/** Ends one before its time. */
		end: (throttle: EndThrottleRequest): Promise<unknown> => this.#send("DELETE", `/throttles${query(throttle)}`, contract.Done),
	};

	readonly keys = {
		/** One page by id, 200 at most unless `limit` (up to 1,000) says otherwise. */
		list: async (page: { teamId?: string | undefined; afterId?: string | undefined; limit?: number | undefined } = {}): Promise<Key[]> =>
			(await this.#send("GET", `/keys${query(page)}`, contract.KeyList)).keys,
		/** The secret is in this answer only. */
		create: (request: CreateKeyRequest): Promise<CreatedKey> => this.#send("POST", "/keys", contract.CreatedKey, request),
		/** `overlapMs`: how long the old key works on; default 24 h. */
		rotate: (keyId: string, request: RotateKeyRequest = {}): Promise<CreatedKey> =>
			this.#send("POST", `/keys/${encodeURIComponent(keyId)}/rotate`, contract.CreatedKey, request),
		revoke: (keyId: string): Promise<unknown> => this.#send("POST", `/keys/${encodeURIComponent(keyId)}/revoke`, contract.Done, {}),
	};

	readonly budgets = {
		/** Of one team, of "@organization", or of all. */
		list: async (teamId?: string): Promise<Budget[]> => (await this.#send("GET", `/budgets${query({ teamId })}`, contract.BudgetList)).budgets,
		set: (budget: SetBudgetRequest): Promise<Budget> => this.#send("PUT", "/budgets", contract.Budget, budget),
		remove: (budget: RemoveBudgetRequest): Promise<unknown> => this.#send("DELETE", `/budgets${query(budget)}`, contract.Done),
	};

	/** The policy as a whole. `diff` and `apply` throw PolicyRefusal for a file that cannot be applied. */
	readonly policy = {
		/** What holds now, and the basis to apply on. */
		read: (): Promise<CurrentPolicy> => this.#send("GET", "/policy", policy.CurrentPolicy),
		/** What the file would change; nothing is written. */
		diff: (request: PolicyFileRequest): Promise<PolicyDiff> => this.#send("POST", "/policy/diff", policy.PolicyDiff, request),
		/** Whole or not at all, on the basis of the diff that was looked at; needs no Temporal. */
		apply: (request: ApplyPolicyRequest): Promise<AppliedPolicy> => this.#send("POST", "/policy/apply", policy.AppliedPolicy, request),
		/** The newest first, 200 at most unless `limit` (up to 1,000) says otherwise. */
		history: async (page: { beforeRevision?: string | undefined; limit?: number | undefined } = {}): Promise<PolicyRevision[]> =>
			(await this.#send("GET", `/policy/history${query(page)}`, policy.PolicyHistory)).revisions,
		show: (revision: string): Promise<StoredPolicy> => this.#send("GET", `/policy/${encodeURIComponent(revision)}`, policy.StoredPolicy),
		/** A LiteLLM proxy configuration as a policy file, and what could not be carried over; nothing is written. */
		importLiteLlm: (request: LiteLlmRequest): Promise<ImportedPolicy> => this.#send("POST", "/policy/import/litellm", policy.ImportedPolicy, request),
	};

	/** Temporarily higher limits. Who asks and who decides is the admin key's name; nobody decides about his own request. */
	readonly increases = {
		/** What waits for a decision or is in force, the newest first, 200 at most unless `limit` (up to 1,000) says otherwise; `isAll`: every one. */
		list: async ({ isAll, ...filter }: { teamId?: string | undefined; isAll?: boolean; limit?: number | undefined } = {}): Promise<Increase[]> =>
			(await this.#send("GET", `/increases${query({ ...filter, all: isAll ? "true" : undefined })}`, increaseContract.IncreaseList)).increases,
		read: (increaseId: string): Promise<Increase> => this.#send("GET", `/increases/${encodeURIComponent(increaseId)}`, increaseContract.Increase),
		/** Asking again for what is pending already answers with the same request. */
		request: (request: RequestIncreaseRequest): Promise<Increase> => this.#send("POST", "/increases", increaseContract.Increase, request),
		/** In force when it resolves. `amountUsd` or `amount`: less than was asked. */
		approve: (increaseId: string, approval: ApproveIncreaseRequest = {}): Promise<Increase> =>
			this.#send("POST", `/increases/${encodeURIComponent(increaseId)}/approve`, increaseContract.Increase, approval),
		reject: (increaseId: string, reason: string): Promise<Increase> =>
			this.#send("POST", `/increases/${encodeURIComponent(increaseId)}/reject`, increaseContract.Increase, { reason }),
		/** Before its date; resolves when the lower limit is in force. @throws CostControlError "admin.forbidden" for whoever may not decide. */
		end: (increaseId: string, reason?: string): Promise<Increase> =>
			this.#send("POST", `/increases/${encodeURIComponent(increaseId)}/end`, increaseContract.Increase, reason === undefined ? {} : { reason }),
		withdraw: (increaseId: string): Promise<Increase> =>
			this.#send("POST", `/increases/${encodeURIComponent(increaseId)}/withdraw`, increaseContract.Increase, {}),
	};

	/** Agent runs. Who decides is the admin key's name; a decision resolves when live gateways act on it, whether or not Temporal answers. */
	readonly runs = {
		/** The newest first, 50 unless `limit` (up to 1,000) says otherwise; `before`: the number of the last one seen. */
		list: async (
			filter: { teamId?: string | undefined; state?: string | undefined; limit?: number | undefined; before?: string | undefined } = {},
		): Promise<AgentRunItem[]> => (await this.#send("GET", `/runs${query(filter)}`, runContract.RunList)).runs,
		read: (runId: string): Promise<AgentRunView> => this.#send("GET", `/runs/${encodeURIComponent(runId)}`, runContract.RunView),
		/** Forgives what repeated so far. @throws CostControlError "admin.conflict" where a ceiling still holds it, naming the amount. */
		resume: (runId: string, request: RunDecisionRequest): Promise<AgentRunView> => this.#decideRun(runId, "resume", request),
		/** Raises ceilings and lets it go on. Amounts are new totals. */
		approve: (runId: string, request: ApproveRunRequest): Promise<AgentRunView> => this.#decideRun(runId, "approve", request),
		/** Raises ceilings; those that they held go on. */
		raise: (runId: string, request: RaiseRunRequest): Promise<AgentRunView> => this.#decideRun(runId, "raise", request),
		stop: (runId: string, request: RunDecisionRequest): Promise<AgentRunView> => this.#decideRun(runId, "stop", request),
		/** Ends it and those below it for good. */
		finish: (runId: string, request: RunDecisionRequest): Promise<AgentRunView> => this.#decideRun(runId, "finish", request),
	};

	/** Batches. */
	readonly batches = {
		/** The newest first, 50 unless `limit` (up to 1,000) says otherwise; `after`: the id of the last one seen. */
		list: async (
			filter: { teamId?: string | undefined; state?: string | undefined; limit?: number | undefined; after?: string | undefined } = {},
		): Promise<BatchItem[]> => (await this.#send("GET", `/batches${query(filter)}`, batchContract.BatchList)).batches,
		read: (batchId: string): Promise<BatchView> => this.#send("GET", `/batches/${encodeURIComponent(batchId)}`, batchContract.BatchView),
		/** What the provider has finished is paid, the rest is given back. @throws CostControlError "batch.ended". */
		cancel: (batchId: string): Promise<BatchView> => this.#send("POST", `/batches/${encodeURIComponent(batchId)}/cancel`, batchContract.BatchView, {}),
		/** Tries at once what waits. @throws CostControlError "governance.unreachable" with Temporal away. */
		retry: (batchId: string): Promise<BatchView> => this.#send("POST", `/batches/${encodeURIComponent(batchId)}/retry`, batchContract.BatchView, {}),
	};

	/** Items handed in alone. */
	readonly deferred = {
		/** Of a team, the newest first, 50 unless `limit` (up to 1,000) says otherwise; `after`: the id of the last one seen. */
		list: async (filter: { teamId: string; status?: string | undefined; limit?: number | undefined; after?: string | undefined }): Promise<DeferredItem[]> =>
			(await this.#send("GET", `/deferred${query(filter)}`, deferredContract.DeferredList)).items,
		read: (deferredId: string): Promise<DeferredItem> => this.#send("GET", `/deferred/${encodeURIComponent(deferredId)}`, deferredContract.DeferredView),
		/** Ends it at once where no part carries it. */
		cancel: (deferredId: string): Promise<DeferredItem> =>
			this.#send("POST", `/deferred/${encodeURIComponent(deferredId)}/cancel`, deferredContract.DeferredView, {}),
		/** Of the last `days`, 30 unless said otherwise. */
		report: (of: { teamId?: string | undefined; days?: number | undefined } = {}): Promise<DeferredReport> =>
			this.#send("GET", `/deferred/report${query(of)}`, deferredContract.DeferredReport),
		/** Of ended items; those that were given up unless `state` says otherwise. */
		webhooks: async (
			filter: { state?: string | undefined; teamId?: string | undefined; channel?: string | undefined; limit?: number | undefined } = {},
		): Promise<DeferredWebhook[]> => (await this.#send("GET", `/deferred/webhooks${query(filter)}`, deferredContract.DeferredWebhookList)).webhooks,
		/** Sends again what was given up, of all unless told of what. */
		retryWebhooks: (of: RetryDeferredWebhooksRequest = {}): Promise<{ waiting: number }> =>
			this.#send("POST", "/deferred/webhooks/retry", deferredContract.RetriedWebhooks, of),
	};

	readonly statements = new StatementClient((method, path, answer, body) => this.#send(method, path, answer, body));

	/** What was spent on a day of UTC (like "2026-10-05") as finely as it is kept, page after page. */
	async *charges(day: string, { hasRuns = false }: { hasRuns?: boolean } = {}): AsyncGenerator<readonly FocusCharge[]> {
		for (let after: string | undefined; ; ) {
			const { charges, next } = await this.#send("GET", `/charges${query({ day, runs: String(hasRuns), after })}`, focusContract.FocusCharges);
			if (charges.length > 0) yield charges;
			if (next === null) return;
			after = next;
		}
	}

	readonly prices = {
		list: (filter: { provider?: string | undefined; model?: string | undefined } = {}): Promise<PriceList> =>
			this.#send("GET", `/prices${query(filter)}`, contract.PriceList),
		set: (request: SetPriceRequest): Promise<unknown> => this.#send("PUT", "/prices", contract.PriceSet, request),
		/** `usage`: inputTokens including cache reads and writes, outputTokens including reasoning. */
		check: (request: CheckPriceRequest): Promise<PriceCheck> => this.#send("POST", "/prices/check", contract.PriceCheck, request),
	};

	readonly leases = {
		list: async (filter: { isAll?: boolean } = {}): Promise<Lease[]> =>
			(await this.#send("GET", `/leases${query({ all: filter.isAll ? "true" : undefined })}`, contract.LeaseList)).leases,
		resolve: (request: ResolveLeaseRequest): Promise<ResolvedLease> => this.#send("POST", "/leases/resolve", contract.ResolvedLease, request),
	};

	readonly adminKeys = {
		list: async (): Promise<AdminKey[]> => (await this.#send("GET", "/admin-keys", contract.AdminKeyList)).adminKeys,
		/** The secret is in this answer only. */
		create: (name: string, grant: AdminGrantRequest = {}): Promise<CreatedAdminKey> =>
			this.#send("POST", "/admin-keys", contract.CreatedAdminKey, { name, ...grant }),
		revoke: (adminKeyId: string): Promise<unknown> => this.#send("POST", `/admin-keys/${encodeURIComponent(adminKeyId)}/revoke`, contract.Done, {}),
	};

	readonly users = {
		/** One page by id, 200 at most unless `limit` (up to 1,000) says otherwise. */
		list: async (page: { afterId?: string | undefined; limit?: number | undefined } = {}): Promise<UserName[]> =>
			(await this.#send("GET", `/users${query(page)}`, contract.UserNameList)).users,
		/** Gives a user id a readable name, or another one. */
		name: (userId: string, name: string): Promise<unknown> => this.#send("PUT", `/users/${encodeURIComponent(userId)}`, contract.Done, { name }),
		/** Forgets the readable name; what the id spent stays in the books. */
		erase: (userId: string): Promise<unknown> => this.#send("DELETE", `/users/${encodeURIComponent(userId)}`, contract.Done),
	};

	readonly alerts = {
		/** The newest first, 50 unless `limit` (up to 1,000) says otherwise. */
		list: async (
			question: { teamId?: string | undefined; isFiring?: boolean | undefined; isDead?: boolean | undefined; limit?: number | undefined } = {},
		): Promise<Alert[]> => {
			const { teamId, isFiring, isDead, limit } = question;
			const asked = query({ teamId, firing: isFiring ? "true" : undefined, dead: isDead ? "true" : undefined, limit });
			return (await this.#send("GET", `/alerts${asked}`, alertContract.AlertList)).alerts;
		},
		read: (alertId: string): Promise<Alert> => this.#send("GET", `/alerts/${encodeURIComponent(alertId)}`, alertContract.Alert),
		/** Sends again what of it was given up; `waiting` deliveries then wait. */
		retry: (alertId: string): Promise<{ waiting: number }> =>
			this.#send("POST", `/alerts/${encodeURIComponent(alertId)}/retry`, alertContract.RetriedAlerts, {}),
		retryAllDead: (): Promise<{ waiting: number }> => this.#send("POST", "/alerts/retry-dead", alertContract.RetriedAlerts, {}),
		/** Somebody knows that it was not delivered. */
		acknowledge: (alertId: string): Promise<Alert> => this.#send("POST", `/alerts/${encodeURIComponent(alertId)}/acknowledge`, alertContract.Alert, {}),
	};

	readonly alertChannels = {
		/** Channels, and which alerts of which team go where. */
		list: (): Promise<{ channels: AlertChannel[]; routes: AlertRoute[] }> => this.#send("GET", "/alert-channels", alertContract.AlertChannelList),
		/** Makes it, or sets it as a whole. Secrets are named by their variable or file, never given. */
		set: (name: string, channel: AlertChannelSetting): Promise<AlertChannel> =>
			this.#send("PUT", `/alert-channels/${encodeURIComponent(name)}`, alertContract.AlertChannel, channel),
		remove: (name: string): Promise<unknown> => this.#send("DELETE", `/alert-channels/${encodeURIComponent(name)}`, contract.Done),
		/** Sends a test alert now; `said` is what the receiver answered. */
		test: (name: string): Promise<ChannelTest> => this.#send("POST", `/alert-channels/${encodeURIComponent(name)}/test`, alertContract.ChannelTest, {}),
		/** Sets all routes of a team, or of "@organization", which is told of every team. */
		setRoutes: async (teamId: string, routes: readonly { channel: string; kinds?: string[] | undefined }[]): Promise<AlertRoute[]> =>
			(await this.#send("PUT", "/alert-routes", alertContract.AlertRouteList, { teamId, routes })).routes,
	};

	/** What was spent, by dimensions and periods; default by team, this month. */
	spend(question: SpendQuestion = {}): Promise<SpendReport> {
		return this.#send("GET", `/spend${query(question)}`, spendContract.SpendReport);
	}

	/** Makes the sums of past days anew from the ledger, in a workflow whose id is answered. */
	recountSpend(days: RecountRequest): Promise<Recount> {
		return this.#send("POST", "/spend/recounts", spendContract.Recount, days);
	}

	/** Which calls of each feature a cheaper model would serve; nothing is changed. */
	audit(question: AuditQuestion = {}): Promise<ModelAudit> {
		return this.#send("GET", `/audit${query(question)}`, auditContract.ModelAudit);
	}

	readonly reports = {
		/** Writes the report of a day, week or month that is over; one that was written before is given back as it is. */
		make: (request: MakeReportRequest): Promise<MadeReport> => this.#send("POST", "/reports", reportContract.MadeReport, request),
		list: async (question: ReportListQuestion = {}): Promise<ReportSummary[]> =>
			(await this.#send("GET", `/reports${query(question as Record<string, string | number | undefined>)}`, reportContract.ReportList)).reports,
		/** By its id, like daily-2026-11-26-search; default its newest edition. */
		read: (reportId: string, edition?: number): Promise<StoredReport> =>
			this.#send("GET", `/reports/${encodeURIComponent(reportId)}${query({ edition })}`, reportContract.StoredReport),
	};

	/** What a month will have cost, by team or feature; default the running one. */
	forecast(question: ForecastQuestion = {}): Promise<ForecastReport> {
		return this.#send("GET", `/forecast${query(question)}`, forecastContract.ForecastReport);
	}

	/** Days on which more was spent than should have been, and why; default of the last 30 days. */
	anomalies(question: AnomalyQuestion = {}): Promise<AnomalyReport> {
		return this.#send("GET", `/anomalies${query(question)}`, forecastContract.AnomalyReport);
	}

	/** By `x-tollgate-request-id` or attempt id. */
	explain(requestId: string): Promise<RequestExplanation> {
		return this.#send("GET", `/requests/${encodeURIComponent(requestId)}`, RequestExplanationSchema);
	}

	#decideRun(runId: string, decision: string, request: unknown): Promise<AgentRunView> {
		return this.#send("POST", `/runs/${encodeURIComponent(runId)}/${decision}`, runContract.RunView, request);
	}

	async #send<Schema extends z.ZodType>(method: string, path: string, schema: Schema, body?: unknown): Promise<Output<Schema>> {
		const url = `${this.#options.adminUrl}${contract.ADMINISTRATION_PREFIX}${path}`;
		const headers = { authorization: `Bearer ${this.#options.adminKey}`, ...(body === undefined ? {} : { "content-type": "application/json" }) };
		const { status, json } = await exchange(url, {
			method,
			headers,
			redirect: "error",
			signal: AbortSignal.timeout(this.#options.timeoutMs ?? (/^\/(policy|reports)/.test(path) ? POLICY_TIMEOUT_MS : TIMEOUT_MS)),
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		if (status >= 400) throw errorOfAnswer(status, json);
		return schema.parse(json);
	}
}

async function exchange(url: string, request: RequestInit): Promise<{ status: number; json: unknown }> {
	try {
		const answer = await fetch(url, request);
		return { status: answer.status, json: await answer.json() };
	} catch (error) {
		throw new UnreachableError(new URL(url).origin, error);
	}
}

function query(values: Readonly<Record<string, string | number | undefined>>): string {
	const given = Object.entries(values).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
	return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))}`;
}
