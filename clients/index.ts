/** What agent code and tools import. Everything else in this folder is internal. */

export type { DecideIncreaseInput, EndIncreaseInput, RequestIncreaseInput, WithdrawIncreaseInput } from "#domain/budget/increase-input.ts";
export type { TotalsReport } from "#domain/budget/team-budget-state.ts";
export type { ApplyPolicyInput, FreezeInput, IncreaseResult, RevisionResult, TeamBudgetStatus, UnfreezeInput } from "#workflows/team-budget/messages.ts";
export {
	type AdminGrantRequest,
	AdministrationClient,
	type AdministrationClientOptions,
	type AdminKey,
	type AgentRunItem,
	type AgentRunView,
	type AnomalyQuestion,
	type AnomalyReport,
	type AppliedPolicy,
	type ApplyPolicyRequest,
	type ApproveIncreaseRequest,
	type ApproveRunRequest,
	type AuditQuestion,
	type BatchItem,
	type BatchView,
	type Budget,
	type ChangeTeamRequest,
	type CheckPriceRequest,
	type CreatedAdminKey,
	type CreatedKey,
	type CreatedTeam,
	type CreateKeyRequest,
	type CreateTeamRequest,
	type CurrentPolicy,
	type DeferredItem,
	type DeferredReport,
	type DeferredWebhook,
	type EndThrottleRequest,
	type FocusCharge,
	type ForecastQuestion,
	type ForecastReport,
	type FrozenTeam,
	type ImportedPolicy,
	type Increase,
	type Key,
	type Lease,
	type LiteLlmRequest,
	type MadeReport,
	type MakeReportRequest,
	type ModelAudit,
	type PolicyDiff,
	type PolicyFileRequest,
	type PolicyRevision,
	type PriceCheck,
	type PriceList,
	type RaiseRunRequest,
	type Recount,
	type RecountRequest,
	type RemoveBudgetRequest,
	type ReportListQuestion,
	type ReportSummary,
	type RequestExplanation,
	type RequestIncreaseRequest,
	type ResolvedLease,
	type ResolveLeaseRequest,
	type RetryDeferredWebhooksRequest,
	type RotateKeyRequest,
	type RunDecisionRequest,
	type SetBudgetRequest,
	type SetPriceRequest,
	type SpendQuestion,
	type SpendReport,
	type StoredPolicy,
	type StoredReport,
	type Team,
	type TeamToday,
	type Throttle,
	type UserName,
} from "./administration-client.ts";
export { AgentRun, type AgentRunOptions, type ChildRunOptions, type RunClientOptions } from "./agent-run.ts";
export type { Alert, AlertChannel, AlertChannelSetting, AlertRoute, ChannelTest } from "./alert-client.ts";
export type { WaitOptions } from "./asking-again.ts";
export type { ConsoleClient, ConsoleLink, ConsoleLinkRequest } from "./console-client.ts";
export { type AnthropicOptions, CostControl, type HttpOptions, type OpenAiOptions, type TemporalOptions } from "./cost-control.ts";
export { DeferredBatch, type DeferredIds, type DeferredResult } from "./deferred-batch.ts";
export { DeferredClient, SubmissionInterruptedError } from "./deferred-client.ts";
export { type ChildKeyRequest, deriveKey } from "./derive-key.ts";
export { CostControlError, type ErrorCode, PolicyRefusal, UnreachableError } from "./errors.ts";
// A type alone: its code loads Temporal's client, which is large.
export type { GovernanceClient, GovernanceClientOptions, WaitForRevision } from "./governance-client.ts";
export type { RefusedItem } from "./hand-in.ts";
export type { DeferredEndpoint, ItemToSubmit, SubmitOptions } from "./items-to-submit.ts";
export { type BudgetRefusal, readRefusal } from "./refusal.ts";
export type { Run, RunStanding } from "./run-contract.ts";
export { RunHeldError, type RunHold, readRunHold } from "./run-errors.ts";
export type { RunCeiling, RunLimits } from "./run-limits.ts";
export type {
	ChargebackRulesRequest,
	RulesInForce,
	StatementClient,
	StatementDecision,
	StatementLine,
	StatementMonth,
	StatementReport,
} from "./statement-client.ts";
